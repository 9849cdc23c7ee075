"""Idle connections of one event loop, kept for each origin: the one that was used last is used first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast
from weakref import WeakSet

import anyio
import httpx

from triverse.transport.async_single_connection import AsyncSingleConnectionTransport
from triverse.transport.environment import Origin, ProxyTable, make_proxy, origin_of, tls_context
from triverse.transport.event_loops import is_running_here
from triverse.transport.pool import DEADLINE, READ_SIZE, IdleConnections, RedirectResponse

__all__ = ["AsyncConnectionPool"]


class AsyncConnectionPool(httpx.AsyncBaseTransport):
    """The transport of our own `httpx.AsyncClient`."""

    def __init__(self, proxies: ProxyTable) -> None:
        self._proxies = proxies
        self._idle: dict[Origin, IdleConnections[AsyncSingleConnectionTransport]] = {}
        # Those in use, too.
        self._connections: WeakSet[AsyncSingleConnectionTransport] = WeakSet()
        self.closed: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on an idle connection, or on a new one.

        Raises:
            ConfigurationError: the proxy or the certificates that the environment names cannot be used.
        """
        origin = origin_of(request.url)
        idle = self._idle.get(origin) or self._idle.setdefault(origin, IdleConnections())
        connection = idle.take() or self._connect(origin)
        connection.backend.deadline = request.extensions.get(DEADLINE)
        connection.backend.read_size = request.extensions.get(READ_SIZE, 0)
        stream = AsyncPooledStream(self, idle, connection)
        try:
            return stream.attach(await connection.handle_async_request(request))
        except BaseException:
            await close(connection)
            raise

    def _connect(self, origin: Origin) -> AsyncSingleConnectionTransport:
        proxy = self._proxies.url(origin)
        made = AsyncSingleConnectionTransport(tls_context(origin[0]), None if proxy is None else make_proxy(proxy))
        self._connections.add(made)
        return made

    async def aclose(self) -> None:
        """Close the idle connections now, and the others as their responses end."""
        self.closed = True
        for connections in tuple(self._idle.values()):
            for connection in connections.take_all():
                await close(connection)

    def release(self) -> None:
        """Close all connections without their event loop, which is closed or belongs to a parent process."""
        # anyio 4 keeps tasks that were waiting in one of its scopes when their loop was closed, and what they use.
        for connection in tuple(self._connections):
            connection.backend.release()
        self._idle.clear()


async def close(connection: AsyncSingleConnectionTransport) -> None:
    """Close the connection, also in a task that is being cancelled, or whose event loop is gone."""
    if not is_running_here(connection.loop):
        connection.backend.release()
        return
    with anyio.CancelScope(shield=True):
        await connection.aclose()


class AsyncPooledStream(httpx.AsyncByteStream):
    """The body of a response. When it is closed, its connection becomes idle, or is closed if it cannot be reused."""

    _stream: httpx.AsyncByteStream

    def __init__(
        self,
        pool: AsyncConnectionPool,
        idle: IdleConnections[AsyncSingleConnectionTransport],
        connection: AsyncSingleConnectionTransport,
    ) -> None:
        self._pool = pool
        self._idle = idle
        self._connection = connection
        self._open = True

    def attach(self, response: httpx.Response) -> httpx.Response:
        """Become the body of this response."""
        self._stream = cast("httpx.AsyncByteStream", response.stream)
        if response.is_redirect:
            return RedirectResponse(
                response.status_code, headers=response.headers, stream=self, extensions=response.extensions
            )
        response.stream = self
        return response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        """End the response."""
        if not self._open:
            return
        self._open = False
        try:
            await self._stream.aclose()
        finally:
            await self._release()

    async def _release(self) -> None:
        expired: AsyncSingleConnectionTransport | None = self._connection
        if self._connection.reusable and not self._pool.closed:
            expired = self._idle.put(self._connection)
        if expired is not None:
            await close(expired)
