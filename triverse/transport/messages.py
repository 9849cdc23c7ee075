"""Requests as httpx sends them, and what came of them in the words of the core."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from typing import Final, Protocol, cast

import httpx

from triverse._version import __version__
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Reply
from triverse.core.errors import ConfigurationError
from triverse.core.headers import Headers
from triverse.core.options import DEFAULT_TIMEOUT
from triverse.core.request import Param, Request
from triverse.core.response_body import MAX_BODY_BYTES
from triverse.core.secret import Secret
from triverse.transport.log_redaction import carried

__all__ = [
    "Addressed",
    "Body",
    "borrowed_limits",
    "check_own_client",
    "classify_error",
    "fixed_headers",
    "json_bytes",
    "no_connection",
    "phase_limits",
    "seconds_left",
    "shorter",
    "to_reply",
    "turn_limit",
]

USER_AGENT: Final = f"triverse/{__version__} Python/{platform.python_version()} httpx/{httpx.__version__}"


def fixed_headers() -> dict[str, str]:
    """What every request says about its sender, and no more."""
    return {
        "Accept": "application/json",
        # Only what the core decompresses, within its own limit.
        "Accept-Encoding": "gzip",
        "User-Agent": USER_AGENT,
    }


class Addressed:
    """Requests to one base URL.

    An `httpx.Request` made of ready parts takes 3 µs, where `httpx.Client.build_request` takes 40.
    """

    _MAX_URLS = 256

    def __init__(self, base_url: httpx.URL) -> None:
        self._prefix = str(base_url).rstrip("/")
        fixed = {"Host": base_url.netloc.decode("ascii"), **fixed_headers()}
        self._headers = [(name.encode(), value.encode()) for name, value in fixed.items()]
        self._urls: dict[str, httpx.URL] = {}

    def url(self, request: Request[object]) -> httpx.URL:
        """The whole URL.

        Raises:
            ConfigurationError: the path or the parameters do not make one.
        """
        if request.params:
            return self._with_query(self._plain_url(request.path), request.params)
        if request.path not in self._urls:
            if len(self._urls) >= self._MAX_URLS:
                self._urls.clear()
            self._urls[request.path] = self._plain_url(request.path)
        return self._urls[request.path]

    def _plain_url(self, path: str) -> httpx.URL:
        try:
            return httpx.URL(self._prefix + path)
        except (httpx.InvalidURL, ValueError) as error:
            message = f"path {path!r} does not make a URL ({error})"
            raise ConfigurationError(message) from None

    def _with_query(self, url: httpx.URL, params: Mapping[str, Param]) -> httpx.URL:
        return url.copy_merge_params({k: v for k, v in params.items() if v is not None})

    def request(self, attempt: Attempt, key: Secret) -> httpx.Request:
        """The request, ready for a transport."""
        carried.set(key)
        body, url = json_bytes(attempt.request), self.url(attempt.request)
        # Not before nothing can go wrong any more: a traceback that shows variables would show the key.
        headers = [*self._headers, (b"Authorization", b"Bearer " + key.reveal().encode())]
        if body is not None:
            headers += _content_headers(body)
        return httpx.Request(
            attempt.request.method,
            url,
            headers=headers,
            stream=httpx.ByteStream(body or b""),
            extensions={"timeout": phase_limits(attempt)},
        )


def _content_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    length = str(len(body)).encode()
    return [(b"Content-Type", b"application/json"), (b"Content-Length", length)]


def json_bytes(request: Request[object]) -> bytes | None:
    """The JSON body; None for no body.

    Raises:
        ConfigurationError: JSON cannot hold it.
    """
    if request.json is None:
        return None
    try:
        return json.dumps(request.json, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"json={type(request.json).__name__}: cannot be sent as JSON ({error})"
        raise ConfigurationError(message) from None


def seconds_left(deadline: float | None) -> float | None:
    """Seconds until the deadline, at least 0; None if there is none."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def shorter(one: float | None, other: float | None) -> float | None:
    """The shorter of two limits, where None is no limit."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def phase_limits(attempt: Attempt) -> dict[str, float | None]:
    """Limits of each phase, in the form that httpx transports take; none is longer than what is left."""
    timeout, left = attempt.timeout, seconds_left(attempt.deadline)
    return {
        "connect": shorter(timeout.connect, left),
        "read": shorter(timeout.read, left),
        "write": shorter(timeout.write, left),
        "pool": shorter(timeout.pool, left),
    }


def check_own_client(client: object, kind: str, closes_by: str) -> None:
    """Look before the first call whether the user's own client is of the right kind. httpx2's are as good as httpx's.

    Raises:
        ConfigurationError: it is not.
    """
    if not all(hasattr(client, name) for name in ("send", "build_request", closes_by)):
        message = f"http_client must be an httpx.{kind}, not {type(client).__name__}"
        raise ConfigurationError(message)


def borrowed_limits(attempt: Attempt, own: httpx.Timeout) -> dict[str, float | None]:
    """The limits that the user gave us, or else those that the user's own client has; none longer than what is left."""
    if attempt.timeout is not DEFAULT_TIMEOUT:
        return phase_limits(attempt)
    left = seconds_left(attempt.deadline)
    return {phase: shorter(limit, left) for phase, limit in own.as_dict().items()}


class Body:
    """The bytes of a response as they come, up to where no answer of this API ends."""

    def __init__(self, deadline: float | None) -> None:
        self._chunks: list[bytes] = []
        self._room = MAX_BODY_BYTES
        self._deadline = deadline

    def wants_more(self, chunk: bytes) -> bool:
        """Keep the chunk; False if the next one would be of no use.

        Raises:
            TimeoutError: the deadline has passed.
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            message = "the response was still coming"
            raise TimeoutError(message)
        self._chunks.append(chunk)
        self._room -= len(chunk)
        return self._room >= 0

    def bytes(self) -> bytes:
        """What came."""
        return b"".join(self._chunks)


def to_reply(response: httpx.Response, body: bytes | None, key: Secret) -> Reply:
    """What the server answered. Without a body: whoever read the response has it, decompressed."""
    raw = response.headers.raw
    if body is None:
        body = response.content
        raw = [(name, value) for name, value in raw if name.lower() != b"content-encoding"]
    return Reply(response.status_code, Headers(raw), body, key)


# By name, since httpx and httpx2 have classes of the same names. The first that is in the family decides.
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


def classify_error(error: Exception, key: Secret) -> AttemptFailed | Reply:
    """What came in place of an answer.

    An answer after all, where a hook of the user's own client made an error of it.
    """
    response: httpx.Response | None = getattr(error, "response", None)
    if response is not None and hasattr(response, "status_code"):  # httpx2's are of another class
        return Reply(response.status_code, Headers(response.headers.raw), key=key)
    _forget_request(error)
    names = [cls.__name__ for cls in type(error).__mro__]
    failure = next((_FAILURES[name] for name in names if name in _FAILURES), FailureKind.OTHER)
    return AttemptFailed(error, failure, key)


class _Sent(Protocol):
    """httpx's errors, and httpx2's."""

    request: httpx.Request


def _forget_request(error: Exception) -> None:
    """Let go of the request that httpx keeps in its errors, since its headers hold the key."""
    if vars(error).get("_request") is not None:
        sent = cast("_Sent", error)
        sent.request = type(sent.request)(sent.request.method, sent.request.url)


def turn_limit(attempt: Attempt) -> float | None:
    """How long the attempt may wait for its turn."""
    return shorter(attempt.timeout.pool, seconds_left(attempt.deadline))


def no_connection(key: Secret) -> AttemptFailed:
    """The wait for one of the client's connections was too long."""
    cause = TimeoutError("no connection of the client came free in time")
    return AttemptFailed(cause, FailureKind.CONNECT_TIMEOUT, key)
