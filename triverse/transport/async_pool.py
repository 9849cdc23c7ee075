"""What carries requests for tasks: connections of our own, or the user's client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import anyio
import httpcore
import httpx

from triverse.core.attempt import Attempt
from triverse.core.secret import Secret
from triverse.transport.asyncio_backend import AsyncioBackend, watches_sockets
from triverse.transport.event_loops import running_loop
from triverse.transport.messages import Addressed, borrowed_limits, seconds_left
from triverse.transport.one_connection import AsyncOneConnection
from triverse.transport.pool import FreeList, TransportSettings, said_too_much

__all__ = ["BorrowedLines", "Line", "Lines", "OwnLines"]


class Line(Protocol):
    """What carries one request at a time."""

    @property
    def put(self) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
        """Sends a request and reads the head of the response."""
        ...

    def within(self, deadline: float | None) -> AbstractContextManager[object]:
        """Where to put the next request and read its answer, so that it keeps this deadline."""
        ...

    async def keep(self) -> None:
        """It did well, and may be used again."""
        ...

    async def drop(self) -> None:
        """It failed."""
        ...

    async def cut_off(self, response: httpx.Response) -> None:
        """No more of this response is wanted."""
        ...


class Lines(Protocol):
    """Where lines come from."""

    def request(self, attempt: Attempt, key: Secret, /) -> httpx.Request:
        """The request, as these lines carry it."""
        ...

    def take(self) -> Line:
        """A line for one attempt."""
        ...

    async def close_idle(self) -> None:
        """Close what is not in use."""
        ...


class AnyBackend(httpcore.AsyncNetworkBackend):
    """Makes a connection by httpcore's own means, which work on each event loop.

    httpcore forgets a socket whose TLS handshake is cancelled; here it is still known, and is closed.
    """

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner
        self._socket: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Make the connection."""
        self._socket = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return self._socket

    def within(self, deadline: float | None) -> AbstractContextManager[object]:
        """A scope that ends with the deadline."""
        return anyio.fail_after(seconds_left(deadline))

    async def aclose(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            await self._socket.aclose()


class Connection:
    """One connection of our own: an httpx transport."""

    __slots__ = ("_backend", "_idle", "_transport")

    def __init__(self, idle: FreeList[Connection], transport: httpx.AsyncHTTPTransport) -> None:
        self._idle = idle
        self._transport = transport
        # httpx lets its transports choose everything but this; a test notices should the name change.
        pool = transport._pool  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
        usual = pool._network_backend  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
        self._backend = AsyncioBackend() if watches_sockets(running_loop()) else AnyBackend(usual)
        pool._network_backend = self._backend  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
        if type(pool) is httpcore.AsyncConnectionPool:  # one that speaks to a proxy is mocked and watched as a whole
            transport._pool = AsyncOneConnection(pool)  # type: ignore[assignment]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]  # as above

    @property
    def put(self) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
        """Sends a request and reads the head of the response."""
        return self._transport.handle_async_request

    def within(self, deadline: float | None) -> AbstractContextManager[object]:
        """Where to put the next request and read its answer, so that it keeps this deadline."""
        return self._backend.within(deadline)

    async def keep(self) -> None:
        """Lie idle until the next request."""
        if said_too_much(self._transport._pool):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
            await self.drop()
            return
        stale = self._idle.put(self)
        if stale is not None:
            await stale.drop()

    async def drop(self) -> None:
        """Close the socket, also in a task that is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._transport.aclose()
            await self._backend.aclose()

    async def cut_off(self, response: httpx.Response) -> None:  # noqa: ARG002 - there is one at a time
        """Close the socket. To close the response would wait for a lock, where the task may be cancelled."""
        await self.drop()


class OwnLines:
    """Connections of our own to the base URL's origin."""

    def __init__(self, base_url: httpx.URL) -> None:
        self.request: Callable[[Attempt, Secret], httpx.Request] = Addressed(base_url).request
        self._settings = TransportSettings(base_url)
        self._idle: FreeList[Connection] = FreeList()

    def take(self) -> Connection:
        """The freshest idle connection, or a new one."""
        return self._idle.take() or Connection(self._idle, self._settings.make(httpx.AsyncHTTPTransport))

    async def close_idle(self) -> None:
        """Close what is not in use."""
        for line in self._idle.drain():
            await line.drop()


class BorrowedLines:
    """The user's own client: its hooks, proxies, auth and mounts see every request, and it stays theirs to close."""

    def __init__(self, base_url: httpx.URL, http_client: httpx.AsyncClient) -> None:
        self._addressed = Addressed(base_url)
        self._client = http_client
        self.put: Callable[[httpx.Request], Awaitable[httpx.Response]] = partial(
            http_client.send, stream=True, follow_redirects=False
        )

    def request(self, attempt: Attempt, key: Secret) -> httpx.Request:
        """The request, with what the user's client adds to each."""
        ready = self._addressed.request(attempt, key)
        return self._client.build_request(
            ready.method,
            str(ready.url),
            headers=ready.headers.raw,
            content=ready.read() or None,
            extensions={"timeout": borrowed_limits(attempt, self._client.timeout)},
        )

    def take(self) -> BorrowedLines:
        """The one line there is."""
        return self

    def within(self, deadline: float | None) -> AbstractContextManager[object]:
        """A scope that ends with the deadline."""
        return anyio.fail_after(seconds_left(deadline))

    async def keep(self) -> None:
        """Nothing to keep: the user's client does."""

    async def drop(self) -> None:
        """Nothing to close: the user's client does."""

    async def cut_off(self, response: httpx.Response) -> None:
        """Close the response, and the user's client closes the connection."""
        await response.aclose()

    async def close_idle(self) -> None:
        """Nothing of ours to close."""
