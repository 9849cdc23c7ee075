"""What passes between the exchange and whoever carries it out: one kind of effect, two kinds of outcome."""

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
    """Wait, then put this request on the wire once.

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
    """The server answered.

    Attributes:
        status: HTTP status.
        headers: as they came.
        body: as it came, still compressed; cut off somewhere past `MAX_BODY_BYTES`.
        key: what the attempt was sent with, so that nothing made of this answer shows it.
    """

    status: int
    headers: Headers = field(factory=Headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    key: Secret | None = None


class FailureKind(Enum):
    """How an attempt can end without an answer."""

    NOT_SENT = "could not connect"
    CONNECT_TIMEOUT = "timed out before the request was sent"
    BROKEN = "the connection broke"
    TIMEOUT = "timed out"
    OTHER = "failed"

    @property
    def timed_out(self) -> bool:
        """Whether it was time that ran out."""
        return self in {FailureKind.CONNECT_TIMEOUT, FailureKind.TIMEOUT}

    @property
    def surely_not_sent(self) -> bool:
        """Whether the server cannot have seen the request."""
        return self in {FailureKind.NOT_SENT, FailureKind.CONNECT_TIMEOUT}


class AttemptFailed(NamedTuple):
    """No whole answer came.

    Attributes:
        cause: the library's own error.
        failure: what kind it is.
        key: what the attempt was sent with, so that nothing made of the cause shows it.
    """

    cause: Exception
    failure: FailureKind = FailureKind.BROKEN
    key: Secret | None = None


Outcome: TypeAlias = Reply | AttemptFailed
