"""An httpx transport of one connection.

The private names of httpx and httpcore that this package uses are here, apart from `_stream` in `requests`.

httpcore's pool looks through all its requests and connections when a request begins and when it ends. That takes an
eighth of a call, and more with every open connection. So each of our connections is a transport of its own, in
`ConnectionPool`.

Tools that replace or watch httpx's traffic patch `handle_request` of `httpx.HTTPTransport` (pytest-httpx, VCR.py,
OpenTelemetry) or of `httpcore.ConnectionPool` and `httpcore.HTTPConnection` (respx). Each request passes through one of
each: with a proxy httpcore's own pool is used, because respx knows no other.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Final, TypeAlias

import httpcore
import httpx

from triverse.transport.sync_backend import DeadlineBackend

__all__ = ["KEEPALIVE_SECONDS", "SingleConnectionPool", "SingleConnectionTransport", "is_reusable", "set_pool"]

Connections: TypeAlias = Sequence[httpcore.ConnectionInterface] | Sequence[httpcore.AsyncConnectionInterface]

KEEPALIVE_SECONDS: Final = 30.0


def set_pool(transport: httpx.HTTPTransport | httpx.AsyncHTTPTransport, pool: object) -> None:
    """Have this transport send its requests through this pool of httpcore's, which httpx has no argument for."""
    transport._pool = pool  # type: ignore[assignment]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]  # the one private name of httpx


def is_reusable(connections: Connections) -> bool:
    """Whether there is a connection, open and idle, on which nothing was received after the last response."""
    return bool(connections) and connections[0].is_idle() and not has_trailing_data(connections[0])


def has_trailing_data(connection: object) -> bool:
    """Whether the server sent bytes after the last response.

    httpcore 1.0.9 reuses such a connection, and would parse those bytes as the response to the next request. It has no
    public name for them.
    """
    while (inner := getattr(connection, "_connection", None)) is not None:
        connection = inner  # a connection through a proxy contains another one
    parser = getattr(connection, "_h11_state", None)
    return parser is not None and bool(parser.trailing_data[0])


class SingleConnectionPool(httpcore.ConnectionPool):
    """A pool for one origin and one request at a time."""

    _current: httpcore.ConnectionInterface | None = None

    @property
    def connections(self) -> list[httpcore.ConnectionInterface]:
        """The connection, if there is one."""
        return [] if self._current is None else [self._current]

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request on the open connection, or on a new one."""
        current = self._current
        if current is None or not current.is_available() or current.has_expired():
            self.close()
            current = self._current = self.create_connection(request.url.origin)
        return current.handle_request(request)

    def close(self) -> None:
        """Close the connection."""
        current, self._current = self._current, None
        if current is not None:
            current.close()


class SingleConnectionTransport(httpx.HTTPTransport):
    """One connection, which keeps the deadline of its request."""

    def __init__(self, ssl_context: ssl.SSLContext, proxy: httpcore.Proxy | None) -> None:
        self.backend: Final = DeadlineBackend()
        pool = SingleConnectionPool if proxy is None else httpcore.ConnectionPool
        self._connections: Final = pool(
            ssl_context, proxy, max_connections=1, keepalive_expiry=KEEPALIVE_SECONDS, network_backend=self.backend
        )
        set_pool(self, self._connections)

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request."""
        return is_reusable(self._connections.connections)

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self.backend.close()
