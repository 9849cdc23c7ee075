"""Responses and errors of httpx as outcomes of an attempt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final, Protocol, cast

import httpx

from triverse.core.attempt import AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.errors import ConfigurationError
from triverse.core.headers import Headers
from triverse.core.response_body import MAX_BODY_BYTES
from triverse.core.secret import Secret
from triverse.transport.clock import monotonic

__all__ = [
    "FORKED_CLIENT",
    "BodyReader",
    "PlainHttpProxyError",
    "check_deadline",
    "classify_error",
    "pool_timeout_failure",
    "to_failure",
    "to_reply",
]


_DEADLINE_PASSED: Final = "the deadline passed while the response was received"

FORKED_CLIENT: Final = (
    "http_client was passed in another process, from which this one was forked: on the sockets that both would use, "
    "each could read the other's responses. Make an httpx client in this process, and a new Triverse client with it"
)


class BodyReader:
    """Collects the body of a response, up to a size that no valid response has, and until the deadline."""

    __slots__ = ("_chunks", "_deadline", "_left", "_timed_out")

    def __init__(self, deadline: float | None) -> None:
        self._chunks: list[bytes] = []
        self._left = MAX_BODY_BYTES
        self._deadline = math.inf if deadline is None else deadline
        self._timed_out = False

    def append(self, chunk: bytes) -> bool:
        """Keep the chunk; False if no more is to be read. It does not raise, so that the reader can end its stream."""
        self._chunks.append(chunk)
        self._left -= len(chunk)
        # Asked here, because if there is always more to read, no read ever waits and times out.
        self._timed_out = monotonic() > self._deadline
        return self._left >= 0 and not self._timed_out

    def body(self) -> bytes:
        """All chunks together.

        Raises:
            TimeoutError: the deadline passed before the body was complete.
        """
        if self._timed_out:
            raise TimeoutError(_DEADLINE_PASSED)
        return b"".join(self._chunks)


def check_deadline(deadline: float | None) -> None:
    """Raise if the deadline has passed: if there is always more to read, no read ever waits and times out.

    Raises:
        TimeoutError: it has.
    """
    if deadline is not None and monotonic() > deadline:
        raise TimeoutError(_DEADLINE_PASSED)


def to_reply(response: httpx.Response, body: bytes | None, key: Secret, url: str) -> Reply:
    """What the server sent. A body of None was read by a hook, and is taken from the response, decompressed."""
    raw = response.headers.raw
    if body is None:
        body = response.content
        raw = [(name, value) for name, value in raw if name.lower() != b"content-encoding"]
    replaced = response.status_code == HTTPStatus.UNAUTHORIZED and _key_was_replaced(response.request, key)
    return Reply(response.status_code, Headers(raw), body, key, url, replaced)


def _key_was_replaced(request: httpx.Request, key: Secret) -> bool:
    """Whether the request had other credentials: `auth` and hooks of the user's client can set them."""
    # A request without the key, as to a storage host, has none.
    return request.headers.get("Authorization") not in {None, f"Bearer {key.reveal()}"}


# By name, because httpx and httpx2 have classes of the same names. The first match in the class's ancestors counts.
_FAILURES: Final[Mapping[str, FailureKind]] = {
    "ConnectTimeout": FailureKind.CONNECT_TIMEOUT,
    "PoolTimeout": FailureKind.CONNECT_TIMEOUT,
    "ConnectError": FailureKind.NOT_SENT,
    "ProxyError": FailureKind.NOT_SENT,
    "TimeoutException": FailureKind.TIMEOUT,
    "TimeoutError": FailureKind.TIMEOUT,
    "NetworkError": FailureKind.BROKEN,
    "RemoteProtocolError": FailureKind.BROKEN,
    "BrokenResourceError": FailureKind.BROKEN,
    "ClosedResourceError": FailureKind.BROKEN,
    "OSError": FailureKind.BROKEN,
}
# What h11 0.16 raises, and httpcore 1.0.9 passes on, before it writes anything to a connection that a KeyboardInterrupt
# kept from being prepared for the next request.
_UNPREPARED: Final = "can't handle event type Request "
# What httpx 0.28 raises for a redirect that leads nowhere, even if redirects are not followed. The response is lost.
_BAD_REDIRECT: Final = "Invalid URL in location header"
_LIBRARIES: Final = frozenset({"anyio", "httpcore", "httpcore2", "httpx", "httpx2", "trio"})


class PlainHttpProxyError(Exception):
    """A user's client would send the key in plain text through a proxy of the environment."""


def classify_error(error: Exception, key: Secret, url: str, proxy: str | None) -> Outcome:
    """What happened in place of a response.

    If the error carries a response, because a hook called `raise_for_status()`, that response is the outcome.

    Raises:
        ConfigurationError: a proxy of the environment would read the key. Nothing was sent.
    """
    if isinstance(error, PlainHttpProxyError):
        # Scrubbed, because the frames of the traceback hold the request.
        raise ConfigurationError(str(key.scrub(error))) from None
    response: httpx.Response | None = getattr(error, "response", None)
    if hasattr(response, "status_code"):  # httpx2 has a class of its own
        return _reply_of_hook(cast("httpx.Response", response), key, url)
    return to_failure(error, key, url, proxy)


def to_failure(error: Exception, key: Secret, url: str, proxy: str | None) -> AttemptFailed:
    """An error as the outcome of an attempt."""
    _strip_request(error)
    return AttemptFailed(error, _failure_kind(error), key, url, proxy)


def _failure_kind(error: Exception) -> FailureKind:
    ancestors = type(error).__mro__
    if type(error).__name__ == "LocalProtocolError" and str(error).startswith(_UNPREPARED):
        return FailureKind.NOT_SENT
    if type(error).__name__ == "RemoteProtocolError" and str(error).startswith(_BAD_REDIRECT):
        return FailureKind.OTHER
    for cls in ancestors:
        if cls.__name__ in _FAILURES:
            return _FAILURES[cls.__name__]
    from_library = any(cls.__module__.partition(".")[0] in _LIBRARIES for cls in ancestors)
    return FailureKind.OTHER if from_library else FailureKind.HOOK


def _reply_of_hook(response: httpx.Response, key: Secret, url: str) -> Reply:
    try:
        return to_reply(response, None, key, url)
    except Exception:  # noqa: BLE001 - the hook did not read the body: `content` raises ResponseNotRead
        return to_reply(response, b"", key, url)


class _RequestError(Protocol):
    """An error of httpx or httpx2."""

    request: httpx.Request


def _strip_request(error: Exception) -> None:
    """Remove what is secret from the request that httpx attaches to its errors.

    The headers contain the key. The query of a URL that leads to a file may be a signature, which gives access.
    """
    if not any(cls.__name__ == "RequestError" for cls in type(error).__mro__):
        return
    with suppress(Exception):  # RuntimeError if no request is attached; or a class of the user's with the same name
        sent = cast("_RequestError", error)
        sent.request = type(sent.request)(sent.request.method, sent.request.url.copy_with(query=None))


def pool_timeout_failure(key: Secret, url: str) -> AttemptFailed:
    """The attempt waited too long for one of the client's connections."""
    cause = TimeoutError("no connection of the client became free in time")
    return AttemptFailed(cause, FailureKind.CONNECT_TIMEOUT, key, url)
