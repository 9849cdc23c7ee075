"""The wire for tasks, on asyncio and on trio."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import suppress
from types import AsyncGeneratorType
from typing import NamedTuple, cast

import httpx

from triverse.core.attempt import Attempt, Outcome
from triverse.core.secret import Secret
from triverse.transport.async_pool import BorrowedLines, Lines, OwnLines
from triverse.transport.async_semaphore import AsyncGate
from triverse.transport.base_url import parse_base_url
from triverse.transport.event_loops import running_loop
from triverse.transport.messages import (
    Body,
    check_own_client,
    classify_error,
    no_connection,
    to_reply,
    turn_limit,
)

__all__ = ["AsyncWire"]


class Home(NamedTuple):
    """What belongs to one event loop."""

    gate: AsyncGate
    lines: Lines
    until_the_end: AsyncGeneratorType[None, None]


class AsyncWire:
    """Puts attempts on the wire, at most so many at once.

    Each event loop has a gate and connections of its own, since neither works in another loop; so has a child process.
    """

    def __init__(self, base_url: str, max_connections: int, http_client: httpx.AsyncClient | None) -> None:
        self._url = parse_base_url(base_url)
        self.base_url: str = str(self._url)
        self._max_connections = max_connections
        if http_client is not None:
            check_own_client(http_client, "AsyncClient", "aclose")
        self._http_client = http_client
        self.closed: bool = False
        self._forget_loops()

    def _forget_loops(self) -> None:
        self._process = os.getpid()
        self._homes: dict[object, Home] = {}

    async def _home(self) -> Home:
        """What belongs to the running event loop."""
        if self._process != os.getpid():
            self._forget_loops()
        loop = running_loop()
        return self._homes.get(loop) or await self._settle(loop)

    async def _settle(self, loop: object) -> Home:
        for other, home in list(self._homes.items()):
            if home.until_the_end.ag_frame is None:
                self._homes.pop(other, None)
        client = self._http_client
        lines = OwnLines(self._url) if client is None else BorrowedLines(self._url, client)
        # Which it is, though its annotation may only name the protocol.
        until_the_end = cast("AsyncGeneratorType[None, None]", _until_the_loop_ends(lines))
        await anext(until_the_end)
        home = self._homes[loop] = Home(AsyncGate(self._max_connections), lines, until_the_end)
        return home

    async def attempt(self, attempt: Attempt, key: Secret) -> Outcome:
        """Send the request once, and read the answer.

        Raises:
            ConfigurationError: the request cannot be sent as it is. Nothing was sent.
        """
        gate, lines, _ = await self._home()
        request = lines.request(attempt, key)
        if not await gate.enter(turn_limit(attempt)):
            return no_connection(key)
        try:
            line = lines.take()
            try:
                with line.within(attempt.deadline):
                    response = await line.put(request)
                    try:
                        body, chunks = Body(None), await _unread(response)
                        async for chunk in chunks:
                            if not body.wants_more(chunk):
                                await line.cut_off(response)
                                await _end(chunks)
                                break
                    finally:
                        await response.aclose()
            except Exception as error:  # noqa: BLE001 - whatever a library throws, the caller gets one of our errors
                await line.drop()
                return classify_error(error, key)
            except BaseException as interrupt:
                await line.drop()
                key.scrub(interrupt)
                raise
            await line.keep()
            if self.closed:
                await lines.close_idle()
            return to_reply(response, None if response.is_stream_consumed else body.bytes(), key)
        finally:
            gate.leave()

    async def close(self) -> None:
        """Close the running loop's connections: idle ones now, those in use as their requests end."""
        self.closed = True
        _, _, until_the_end = await self._home()
        await until_the_end.aclose()


async def _until_the_loop_ends(lines: Lines) -> AsyncGenerator[None]:
    """Closes the connections of a client that nobody closed.

    When an event loop ends, it finishes the generators that still wait in it; afterwards it is too late.
    """
    try:
        yield
    finally:
        await lines.close_idle()


async def _unread(response: httpx.Response) -> AsyncIterator[bytes]:
    """What is still to come of the body; nothing where a hook has read it already."""
    if response.is_stream_consumed:
        await response.aread()  # fails where it was read away
        return aiter(httpx.ByteStream(b""))
    # Past `aiter_raw()`, which only cuts and counts: 6 µs, 2 % of a call.
    return aiter(cast("AsyncIterable[bytes]", response.stream))


async def _end(chunks: AsyncIterator[bytes]) -> None:
    """Read on where no more can come: that fails, and so ends httpx's nested generators.

    Else they would be left to the garbage collector, of which trio complains.
    """
    with suppress(Exception):
        async for _ in chunks:
            pass
