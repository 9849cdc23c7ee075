"""Idle connections, kept for each origin: the one that was used last is used first."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Generic, TypeVar, cast

import httpx

from triverse.core.attempt import Attempt
from triverse.transport.cancel import CancelToken
from triverse.transport.clock import monotonic
from triverse.transport.environment import Origin, ProxyTable, make_proxy, origin_of, tls_context
from triverse.transport.single_connection import KEEPALIVE_SECONDS, SingleConnectionTransport

__all__ = [
    "DEADLINE",
    "LARGE_READS",
    "READ_SIZE",
    "AsyncPoolGuard",
    "ConnectionPool",
    "IdleConnections",
    "PoolGuard",
    "RedirectResponse",
]

C = TypeVar("C")

DEADLINE: Final = "triverse_deadline"
"""Extension of a request: when to give up, on the clock of `clock`."""
CANCEL: Final = "triverse_cancel"
"""Extension of a request: its `CancelToken`."""
READ_SIZE: Final = "triverse_read_size"
"""Extension of a request: bytes to read at once, at most."""
LARGE_READS: Final = 1024 * 1024
"""Bytes to read at once of a body that may be large. httpcore reads 64 KiB, with which a download over loopback takes
twice as long. A transfer holds some five times this much in memory."""


_NO_SCOPE: Final = nullcontext()


class IdleConnections(Generic[C]):
    """Idle connections to one origin."""

    def __init__(self) -> None:
        self._idle: deque[tuple[C, float]] = deque()

    def take(self) -> C | None:
        """The connection that was used last; None if none is idle."""
        try:
            return self._idle.pop()[0]
        except IndexError:
            return None

    def put(self, connection: C) -> C | None:
        """Keep a connection. Returns one that has been idle for too long, to be closed."""
        now = monotonic()
        self._idle.append((connection, now))
        try:
            oldest, since = self._idle.popleft()
        except IndexError:  # another thread took it
            return None
        if now - since > KEEPALIVE_SECONDS:
            return oldest
        self._idle.appendleft((oldest, since))
        return None

    def take_all(self) -> Iterator[C]:
        """Take each of them."""
        while (connection := self.take()) is not None:
            yield connection


class RedirectResponse(httpx.Response):
    """A redirect, of which httpx does not prepare the next request: that fails if the location is not a URL."""

    @property
    def has_redirect_location(self) -> bool:
        """Redirects are not followed."""
        return False


class PoolGuard:
    """Passes the deadline and the `CancelToken` of one attempt to the pool.

    Attributes:
        extensions: for the request.
    """

    __slots__ = ("_proxies", "_url", "extensions")

    def __init__(
        self, proxies: ProxyTable, attempt: Attempt, url: httpx.URL, cancel: CancelToken | None = None
    ) -> None:
        self.extensions: dict[str, object] = {DEADLINE: attempt.deadline}
        if cancel is not None:
            self.extensions[CANCEL] = cancel
        self._proxies = proxies
        self._url = url

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy; None without one."""
        return self._proxies.label(self._url)

    def begin(self) -> None:
        """The pool does what is to be done, for each connection."""

    def end(self) -> None:
        """The pool does what is to be done, when the response is closed."""

    def explain(self, error: Exception) -> Exception:
        """The error, or a clearer one."""
        return error


class AsyncPoolGuard(PoolGuard):
    """The same for tasks."""

    def scope(self) -> AbstractContextManager[object]:
        """No scope: the connections keep the deadline, which takes less time than a cancel scope."""
        return _NO_SCOPE

    def must_repeat(self) -> bool:
        """Whether the request is to be made again after an error."""
        return False


class ConnectionPool(httpx.BaseTransport):
    """The transport of our own `httpx.Client`."""

    def __init__(self, proxies: ProxyTable) -> None:
        self._proxies = proxies
        self._idle: dict[Origin, IdleConnections[SingleConnectionTransport]] = {}
        self.closed: bool = False
        # Closes the sockets of a client that was not closed without a warning, at the latest when Python exits.
        weakref.finalize(self, _close_all, self._idle)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on an idle connection, or on a new one.

        Raises:
            ConfigurationError: the proxy or the certificates that the environment names cannot be used.
        """
        origin = origin_of(request.url)
        idle = self._idle.get(origin) or self._idle.setdefault(origin, IdleConnections())
        connection = idle.take() or self._connect(origin)
        connection.backend.deadline = request.extensions.get(DEADLINE)
        connection.backend.read_size = request.extensions.get(READ_SIZE, 0)
        stream = PooledStream(self, idle, connection, request.extensions.get(CANCEL))
        try:
            return stream.attach(connection.handle_request(request))
        except BaseException:
            stream.abandon()
            raise

    def _connect(self, origin: Origin) -> SingleConnectionTransport:
        proxy = self._proxies.url(origin)
        return SingleConnectionTransport(tls_context(origin[0]), None if proxy is None else make_proxy(proxy))

    def close(self) -> None:
        """Close the idle connections now, and the others as their responses end."""
        self.closed = True
        _close_all(self._idle)


def _close_all(idle: dict[Origin, IdleConnections[SingleConnectionTransport]]) -> None:
    for connections in tuple(idle.values()):
        for connection in connections.take_all():
            connection.close()


class PooledStream(httpx.SyncByteStream):
    """The body of a response. When it is closed, its connection becomes idle, or is closed if it cannot be reused."""

    _stream: httpx.SyncByteStream

    def __init__(
        self,
        pool: ConnectionPool,
        idle: IdleConnections[SingleConnectionTransport],
        connection: SingleConnectionTransport,
        cancel: CancelToken | None,
    ) -> None:
        self._pool = pool
        self._idle = idle
        self._connection = connection
        self._cancel = cancel
        self._open = True
        if cancel is not None:
            cancel.on_cancel(connection.backend.abort)

    def attach(self, response: httpx.Response) -> httpx.Response:
        """Become the body of this response."""
        self._stream = cast("httpx.SyncByteStream", response.stream)
        if response.is_redirect:
            return RedirectResponse(
                response.status_code, headers=response.headers, stream=self, extensions=response.extensions
            )
        response.stream = self
        return response

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        """End the response."""
        if not self._open:
            return
        self._open = False
        try:
            self._stream.close()
        except BaseException:
            # After a KeyboardInterrupt inside of httpcore or h11, parts of their state are of the last request.
            self.abandon()
            raise
        self._release()

    def _release(self) -> None:
        if self._cancel is not None:
            self._cancel.remove(self._connection.backend.abort)
        expired: SingleConnectionTransport | None = self._connection
        if self._connection.reusable and not self._pool.closed:
            expired = self._idle.put(self._connection)
        if expired is not None:
            expired.close()

    def abandon(self) -> None:
        """Close the connection, because there is no response."""
        if self._cancel is not None:
            self._cancel.remove(self._connection.backend.abort)
        self._connection.close()
