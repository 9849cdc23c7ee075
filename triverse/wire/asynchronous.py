"""The wire for tasks, on asyncio and on trio."""

from __future__ import annotations

import os
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import anyio
import httpx

from triverse.core.events import Attempt, Outcome
from triverse.core.secret import Secret
from triverse.wire.connections import FreeList, TransportSettings
from triverse.wire.gate import AsyncGate
from triverse.wire.loops import running_loop
from triverse.wire.messages import (
    Addressed,
    Body,
    no_connection,
    seconds_left,
    to_reply,
    to_unreachable,
    turn_limit,
)
from triverse.wire.origin import parse_base_url

__all__ = ["AsyncWire"]


class Line(Protocol):
    """What carries one request at a time."""

    @property
    def put(self) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
        """Sends a request and reads the head of the response."""
        ...

    async def keep(self) -> None:
        """It did well, and may be used again."""
        ...

    async def drop(self) -> None:
        """It failed."""
        ...


class Lines(Protocol):
    """Where lines come from."""

    def request(self, attempt: Attempt, key: Secret, /) -> httpx.Request:
        """The request, as these lines carry it."""
        ...

    def take(self) -> Line:
        """A line for one attempt."""
        ...

    async def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        ...


class AsyncWire:
    """Puts attempts on the wire, at most so many at once.

    Each event loop has a gate and connections of its own, since neither works in another loop; so has a child process.
    """

    def __init__(self, base_url: str, max_connections: int, http_client: httpx.AsyncClient | None) -> None:
        self._base_url = parse_base_url(base_url)
        self._max_connections = max_connections
        self._http_client = http_client
        self.closed: bool = False
        self._forget_loops()

    def _forget_loops(self) -> None:
        self._process = os.getpid()
        self._loops: weakref.WeakKeyDictionary[object, tuple[AsyncGate, Lines]] = weakref.WeakKeyDictionary()

    def _here(self) -> tuple[AsyncGate, Lines]:
        """What belongs to the running event loop."""
        if self._process != os.getpid():
            self._forget_loops()
        loop = running_loop()
        here = self._loops.get(loop)
        if here is None:
            client = self._http_client
            lines = OwnLines(self._base_url) if client is None else BorrowedLines(self._base_url, client)
            here = self._loops[loop] = AsyncGate(self._max_connections), lines
        return here

    async def attempt(self, attempt: Attempt, key: Secret) -> Outcome:
        """Send the request once, and read the answer.

        Raises:
            ConfigurationError: the request cannot be sent as it is. Nothing was sent.
        """
        gate, lines = self._here()
        request = lines.request(attempt, key)
        if not await gate.enter(turn_limit(attempt)):
            return no_connection(key)
        try:
            line = lines.take()
            try:
                with anyio.fail_after(seconds_left(attempt.deadline)):
                    response = await line.put(request)
                    body = await _read(response)
            except Exception as error:  # noqa: BLE001 - whatever a library throws, the caller gets one of our errors
                await line.drop()
                return to_unreachable(error, key)
            except BaseException:
                await line.drop()
                raise
            await line.keep()
            return to_reply(response, body, key)
        finally:
            gate.leave()

    async def close(self) -> None:
        """Close the running loop's connections: idle ones now, those in use as their requests end."""
        self.closed = True
        _, lines = self._here()
        await lines.close()


async def _read(response: httpx.Response) -> bytes | None:
    """The body as it came; None where it has been read already."""
    try:
        if response.is_stream_consumed:
            return None
        body = Body(None)
        async for chunk in response.aiter_raw():
            if not body.wants_more(chunk):
                break
        return body.bytes()
    finally:
        await response.aclose()


class Connection:
    """One connection of our own: an httpx transport."""

    __slots__ = ("_lines", "_transport")

    def __init__(self, lines: OwnLines, transport: httpx.AsyncHTTPTransport) -> None:
        self._lines = lines
        self._transport = transport

    @property
    def put(self) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
        """Sends a request and reads the head of the response."""
        return self._transport.handle_async_request

    async def keep(self) -> None:
        """Lie idle until the next request."""
        await self._lines.keep(self)

    async def drop(self) -> None:
        """Close the socket, also in a task that is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._transport.aclose()


class OwnLines:
    """Connections of our own to the base URL's origin."""

    def __init__(self, base_url: httpx.URL) -> None:
        self.request: Callable[[Attempt, Secret], httpx.Request] = Addressed(base_url).request
        self._settings = TransportSettings(base_url)
        self._idle: FreeList[Connection] = FreeList()
        self._closed = False

    def take(self) -> Connection:
        """The freshest idle connection, or a new one."""
        return self._idle.take() or Connection(self, self._settings.make(httpx.AsyncHTTPTransport))

    async def keep(self, line: Connection) -> None:
        """Take a connection back."""
        stale = self._idle.put(line)
        if stale is not None:
            await stale.drop()
        if self._closed:
            await self.close()

    async def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._closed = True
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
            extensions=ready.extensions,
        )

    def take(self) -> BorrowedLines:
        """The one line there is."""
        return self

    async def keep(self) -> None:
        """Nothing to keep: the user's client does."""

    async def drop(self) -> None:
        """Nothing to close: the user's client does."""

    async def close(self) -> None:
        """Nothing of ours to close."""
