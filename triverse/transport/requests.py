"""Requests as httpx sends them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import httpx

from triverse._version import __version__
from triverse.core.attempt import Attempt
from triverse.core.errors import ConfigurationError
from triverse.core.json_values import to_plain_json
from triverse.core.options import DEFAULT_TIMEOUT
from triverse.core.request import Param, Request, StreamedBody
from triverse.core.secret import Secret
from triverse.transport.bodies import AsyncBodyStream, SyncBodyStream
from triverse.transport.clock import monotonic

__all__ = [
    "RequestEncoder",
    "Target",
    "check_http_client",
    "default_headers",
    "json_bytes",
    "min_timeout",
    "pool_timeout",
    "seconds_left",
    "send_options",
]

# The version as `platform.python_version()` has it, whose module takes 2 ms to import.
USER_AGENT: Final = f"triverse/{__version__} Python/{sys.version.split()[0]} httpx/{httpx.__version__}"

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
Timeouts: TypeAlias = dict[str, float | None]
AnyClient: TypeAlias = httpx.Client | httpx.AsyncClient
BodyStream: TypeAlias = SyncBodyStream | AsyncBodyStream


class Target(NamedTuple):
    """Where a request goes.

    Attributes:
        url: the complete URL.
        text: the URL for messages, without query and user name. It may still contain the key.
    """

    url: httpx.URL
    text: str


def default_headers() -> dict[str, str]:
    """The headers that every request has."""
    return {
        "Accept": "application/json",
        # The core decompresses this one, up to its own limit.
        "Accept-Encoding": "gzip",
        "User-Agent": USER_AGENT,
    }


class OneChunkStream(httpx.ByteStream):
    """A body of one chunk, without the generator of httpx.

    A generator is left behind when sending the chunk fails, of which trio complains.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _OneChunk(self._content)


class _OneChunk:
    def __init__(self, chunk: bytes) -> None:
        self._chunks = [chunk]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()


class RequestEncoder:
    """Encodes requests to one base URL, for a client of ours or for the user's.

    An `httpx.Request` made of ready parts takes 3 µs, `httpx.Client.build_request` takes 40 (2026-11, Python 3.11).

    Args:
        base_url: where paths begin.
        body_stream: makes an httpx stream of a streamed body.
        http_client: the user's client, if there is one: it adds its headers and cookies to each request.
    """

    _MAX_TARGETS = 256

    def __init__(
        self,
        base_url: httpx.URL,
        body_stream: Callable[[StreamedBody], BodyStream],
        http_client: AnyClient | None = None,
    ) -> None:
        self._prefix = str(base_url).rstrip("/")
        self._body_stream = body_stream
        self._client = http_client
        self._headers = [(name.encode(), value.encode()) for name, value in default_headers().items()]
        self._targets: dict[str, Target] = {}

    def target(self, request: Request[object]) -> Target:
        """The URL of this request.

        Raises:
            ConfigurationError: path, parameters or `url` do not make a URL.
        """
        if request.url is None:
            target = self._targets.get(request.path) or self._remember(request.path)
        else:
            target = _parse(request.url)
        return Target(_with_query(target.url, request.params), target.text) if request.params else target

    def _remember(self, path: str) -> Target:
        if len(self._targets) >= self._MAX_TARGETS:
            self._targets.clear()
        target = self._targets[path] = _parse(self._prefix + path)
        return target

    def encode(self, attempt: Attempt, key: Secret, target: Target, extensions: dict[str, object]) -> httpx.Request:
        """The request, ready for `send()`.

        A request with a `url` of its own gets no key, and nothing that the user's client adds to requests.

        Raises:
            ConfigurationError: JSON cannot represent the body, or the user's client is closed.
        """
        request = attempt.request
        content, headers = self._content_and_headers(request)
        if request.url is None:
            # Last: if anything above failed, a traceback that shows variables would show the key.
            headers.append((b"Authorization", b"Bearer " + key.reveal().encode()))
        if self._client is not None:
            _check_open(self._client)
            return _build(self._client, attempt, target.url, headers, content, extensions)
        extensions["timeout"] = httpx_timeouts(attempt)
        headers.insert(0, (b"Host", target.url.netloc))
        # Nothing is sent for an empty body, so it cannot fail.
        stream = _stream_of(content) if content else httpx.ByteStream(b"")
        return httpx.Request(request.method, target.url, headers=headers, stream=stream, extensions=extensions)

    def _content_and_headers(self, request: Request[object]) -> tuple[bytes | BodyStream, RawHeaders]:
        headers = _replaced(self._headers, request.headers) if request.headers else self._headers[:]
        if request.body is not None:
            headers += _content_headers(request.body.content_type, request.body.content_length)
            return self._body_stream(request.body), headers
        content = json_bytes(request)
        if content is None:
            return b"", headers
        return content, headers + _content_headers("application/json", len(content))


def _check_open(client: AnyClient) -> None:
    # Before httpx raises a RuntimeError, which could as well have come from a hook of the user's.
    if getattr(client, "is_closed", False):  # only `send`, `build_request` and `close` are asked of a user's client
        message = "the http_client is closed: make a new one, and a new client with it"
        raise ConfigurationError(message)


def _build(  # noqa: PLR0913, PLR0917 - the parts of a request
    client: AnyClient,
    attempt: Attempt,
    url: httpx.URL,
    headers: RawHeaders,
    content: bytes | BodyStream,
    extensions: dict[str, object],
) -> httpx.Request:
    """A request of the user's client, or with a `url` of its own a bare one, of the class that this client uses."""
    options: dict[str, Any] = {"headers": headers, "content": content or None, "extensions": extensions}
    extensions["timeout"] = user_client_timeouts(attempt, client.timeout)
    built = client.build_request(attempt.request.method, str(url), **options)
    if attempt.request.url is None:
        # httpx has no public name for what its stream wraps. A client's own `build_request` may have replaced that.
        if content and getattr(built.stream, "_stream", None) is content:
            built.stream = _stream_of(content)  # in place of the one of httpx, which iterates by a generator
        return built
    return type(built)(attempt.request.method, str(url), **options)


def _stream_of(content: bytes | BodyStream) -> BodyStream | OneChunkStream:
    return OneChunkStream(content) if isinstance(content, bytes) else content


def _parse(text: str) -> Target:
    try:
        url = httpx.URL(text)
        return Target(url, str(url.copy_with(userinfo=b"", query=None, fragment=None)))
    except (httpx.InvalidURL, ValueError) as error:
        message = f"{text!r} is not a URL that can be requested ({error})"
        raise ConfigurationError(message) from None


def _with_query(url: httpx.URL, params: Mapping[str, Param]) -> httpx.URL:
    return url.copy_merge_params({name: value for name, value in params.items() if value is not None})


def _replaced(headers: RawHeaders, extra: Sequence[tuple[str, str]]) -> RawHeaders:
    """The headers, with these in place of those of the same name."""
    added = [(name.encode(), value.encode()) for name, value in extra]
    names = {name.lower() for name, _ in added}
    return [header for header in headers if header[0].lower() not in names] + added


def _content_headers(content_type: str, length: int) -> RawHeaders:
    return [(b"Content-Type", content_type.encode()), (b"Content-Length", str(length).encode())]


def json_bytes(request: Request[object]) -> bytes | None:
    """The JSON body; None for no body.

    Raises:
        ConfigurationError: JSON cannot represent it.
    """
    if request.json is None:
        return None
    return json.dumps(to_plain_json(request.json), ensure_ascii=False, allow_nan=False).encode()


def seconds_left(deadline: float | None) -> float | None:
    """Seconds until the deadline, at least 0; None if there is none."""
    return None if deadline is None else max(0.0, deadline - monotonic())


def min_timeout(one: float | None, other: float | None) -> float | None:
    """The shorter of two limits, of which None is no limit."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def httpx_timeouts(attempt: Attempt) -> Timeouts:
    """The limit of each phase, as httpx transports take them. None is longer than the time left."""
    timeout, left = attempt.timeout, seconds_left(attempt.deadline)
    return {
        "connect": min_timeout(timeout.connect, left),
        "read": min_timeout(timeout.read, left),
        "write": min_timeout(timeout.write, left),
        "pool": min_timeout(timeout.pool, left),
    }


def user_client_timeouts(attempt: Attempt, own: httpx.Timeout) -> Timeouts:
    """The same for the user's client: its own limits, if no `timeout` was passed to ours."""
    if attempt.timeout is not DEFAULT_TIMEOUT:
        return httpx_timeouts(attempt)
    left = seconds_left(attempt.deadline)
    return {phase: min_timeout(limit, left) for phase, limit in own.as_dict().items()}


def pool_timeout(attempt: Attempt) -> float | None:
    """How long the attempt may wait for a permit."""
    return min_timeout(attempt.timeout.pool, seconds_left(attempt.deadline))


def send_options(attempt: Attempt) -> dict[str, Any]:
    """Arguments for `send()`: the user's client must not add its `auth` to a request that is sent without the key."""
    return {} if attempt.request.url is None else {"auth": None}


def check_http_client(client: object, kind: str, close: str) -> None:
    """Check that the user's client has the interface of this kind. Clients of httpx2 have it, too.

    Raises:
        ConfigurationError: it does not.
    """
    if not all(hasattr(client, name) for name in ("send", "build_request", close)):
        message = f"http_client must be an httpx.{kind}, not {type(client).__name__}"
        raise ConfigurationError(message)
