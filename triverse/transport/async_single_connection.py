"""An httpx transport of one connection, for tasks. Its own file, because threads need no asyncio (10 ms of import)."""

from __future__ import annotations

import ssl
from typing import Final

import httpcore
import httpx

from triverse.transport.anyio_backend import AnyioBackend
from triverse.transport.asyncio_backend import AsyncioBackend, supports_add_reader
from triverse.transport.event_loops import running_loop
from triverse.transport.single_connection import KEEPALIVE_SECONDS, is_reusable, set_pool

__all__ = ["AsyncSingleConnectionTransport"]


class AsyncSingleConnectionPool(httpcore.AsyncConnectionPool):
    """A pool for one origin and one request at a time."""

    _current: httpcore.AsyncConnectionInterface | None = None

    @property
    def connections(self) -> list[httpcore.AsyncConnectionInterface]:
        """The connection, if there is one."""
        return [] if self._current is None else [self._current]

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request on the open connection, or on a new one."""
        current = self._current
        if current is None or not current.is_available() or current.has_expired():
            await self.aclose()
            current = self._current = self.create_connection(request.url.origin)
        return await current.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connection."""
        current, self._current = self._current, None
        if current is not None:
            await current.aclose()


class AsyncSingleConnectionTransport(httpx.AsyncHTTPTransport):
    """One connection, which keeps the deadline of its request."""

    def __init__(self, ssl_context: ssl.SSLContext, proxy: httpcore.Proxy | None) -> None:
        self.loop: Final = running_loop()
        self.backend: Final = AsyncioBackend() if supports_add_reader(self.loop) else AnyioBackend()
        pool = AsyncSingleConnectionPool if proxy is None else httpcore.AsyncConnectionPool
        self._connections: Final = pool(
            ssl_context, proxy, max_connections=1, keepalive_expiry=KEEPALIVE_SECONDS, network_backend=self.backend
        )
        set_pool(self, self._connections)

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request."""
        return is_reusable(self._connections.connections)

    async def aclose(self) -> None:
        """Close the connection."""
        await super().aclose()
        await self.backend.aclose()
