"""In place of httpcore's pool, where all requests go to one origin, one after another.

The pool looks through its connections and its requests when a request begins, and again when it ends. That is an eighth
of a call; of an async one where sniffio is not installed, for which the pool looks four times, it is a half.

httpcore is asked for each connection, and each request goes through httpx's transport: whoever mocks or watches either
sees every call.
"""

from __future__ import annotations

from typing import Final

import httpcore

__all__ = ["AsyncOneConnection", "OneConnection"]


class OneConnection:
    """For threads, one at a time."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._make = pool.create_connection
        self.connections: list[httpcore.ConnectionInterface] = []

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request, and read the head of the response."""
        for connection in self.connections:
            if connection.is_available() and not connection.has_expired():
                return connection.handle_request(request)
        self.close()
        connection = self._make(request.url.origin)
        self.connections = [connection]
        return connection.handle_request(request)

    def close(self) -> None:
        """Close the socket."""
        for connection in self.connections:
            connection.close()


class AsyncOneConnection:
    """For tasks, one at a time."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._make = pool.create_connection
        self.connections: list[httpcore.AsyncConnectionInterface] = []

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request, and read the head of the response."""
        for connection in self.connections:
            if connection.is_available() and not connection.has_expired():
                return await connection.handle_async_request(request)
        await self.aclose()
        connection = self._make(request.url.origin)
        self.connections = [connection]
        response = await connection.handle_async_request(request)
        _unlock(connection)
        return response

    async def aclose(self) -> None:
        """Close the socket."""
        for connection in self.connections:
            await connection.aclose()


class _NoLock:
    """A lock of no use, which costs nothing."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


_NO_LOCK: Final = _NoLock()


def _unlock(connection: httpcore.AsyncConnectionInterface) -> None:
    """Take the locks off a connection that one request at a time uses anyway.

    Each is a trip around the event loop. Where httpcore names them otherwise, they stay.
    """
    for owner, lock in ((connection, "_request_lock"), (getattr(connection, "_connection", None), "_state_lock")):
        if hasattr(owner, lock):
            setattr(owner, lock, _NO_LOCK)
