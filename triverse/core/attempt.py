"""What the exchange yields and is sent: one effect, `Attempt`, and two outcomes, `Reply` and `AttemptFailed`."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from attrs import field, frozen

from triverse.core.headers import Headers
from triverse.core.options import Timeout
from triverse.core.request import Request
from triverse.core.secret import Secret

__all__ = ["Attempt", "AttemptFailed", "FailureKind", "Outcome", "Reply"]


class Attempt(NamedTuple):
    """Wait, then send this request once.

    Attributes:
        request: what to send.
        after: seconds to wait first.
        number: 1 for the first attempt of the call.
        deadline: when to give up, on the monotonic clock; None for never.
        timeout: limits of each phase.
    """

    request: Request[object]
    after: float = 0.0
    number: int = 1
    deadline: float | None = None
    timeout: Timeout = Timeout()


# No tuple, since tools that print the variables of a traceback walk through tuples, past their `repr`.
@frozen
class Reply:
    """The server sent a response.

    Attributes:
        status: HTTP status.
        headers: as they were received.
        body: as it was received, still compressed; cut off at some point after `MAX_BODY_BYTES`.
        key: the key that was sent, so that it can be redacted from the response.
        url: the URL of the request, without query and userinfo.
        key_replaced: whether the user's `http_client` replaced the key by credentials of its own.
    """

    status: int
    headers: Headers = field(factory=Headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    key: Secret | None = None
    url: str | None = None
    key_replaced: bool = False


class FailureKind(Enum):
    """How an attempt can end without a response."""

    NOT_SENT = "could not connect"
    CONNECT_TIMEOUT = "timed out before the request was sent"
    BROKEN = "the connection broke"
    TIMEOUT = "timed out"
    HOOK = "a hook or transport of your http_client raised an error"
    OTHER = "failed"

    @property
    def timed_out(self) -> bool:
        """Whether a time limit ran out."""
        return self in {FailureKind.CONNECT_TIMEOUT, FailureKind.TIMEOUT}

    @property
    def surely_not_sent(self) -> bool:
        """Whether the server cannot have received the request."""
        return self in {FailureKind.NOT_SENT, FailureKind.CONNECT_TIMEOUT}

    @property
    def repeatable(self) -> bool:
        """Whether another attempt may succeed."""
        return self not in {FailureKind.HOOK, FailureKind.OTHER}


class AttemptFailed(NamedTuple):
    """No complete response was received.

    Attributes:
        cause: the error of the HTTP library or of the user's code.
        failure: the kind of failure.
        key: the key that was sent, so that it can be redacted from the cause.
        url: the URL of the request, without query and userinfo.
        proxy: host and port of the proxy that was used; None without one.
    """

    cause: Exception
    failure: FailureKind = FailureKind.BROKEN
    key: Secret | None = None
    url: str | None = None
    proxy: str | None = None


Outcome: TypeAlias = Reply | AttemptFailed
