"""Waiting in line for the wire, as in `gate`: for the tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol

import anyio

from triverse.transport.event_loops import running_loop

__all__ = ["AsyncGate"]


class AsyncGate:
    """For the tasks of one event loop."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: deque[Turn] = deque()

    async def enter(self, timeout: float | None) -> bool:
        """Take a permit; False if none came in time."""
        if self._free:
            self._free -= 1
            return True
        turn = FutureTurn() if isinstance(running_loop(), asyncio.AbstractEventLoop) else EventTurn()
        self._waiting.append(turn)
        try:
            await turn.wait(timeout)
        except BaseException:
            if not self._withdraw(turn):
                self.leave()
            raise
        return not self._withdraw(turn)

    def _withdraw(self, turn: Turn) -> bool:
        """Stop waiting; False if the permit came first."""
        if turn.given:
            return False
        with suppress(ValueError):  # whoever left passed it over, as it had stopped waiting already
            self._waiting.remove(turn)
        return True

    def leave(self) -> None:
        """Give the permit back, or on to the next in line."""
        while self._waiting:
            if self._waiting.popleft().give():
                return
        self._free += 1


class Turn(Protocol):
    """Somebody's place in the line."""

    given: bool

    async def wait(self, timeout: float | None) -> None:
        """Until the turn has come, or the time is over."""
        ...

    def give(self) -> bool:
        """Whose turn it is now. False if nobody waits for it any more."""
        ...


class EventTurn:
    """On any event loop."""

    def __init__(self) -> None:
        self.given: bool = False
        self._event = anyio.Event()

    async def wait(self, timeout: float | None) -> None:
        """Until the turn has come, or the time is over."""
        with anyio.move_on_after(timeout):
            await self._event.wait()

    def give(self) -> bool:
        """It is this one's turn."""
        self.given = True
        self._event.set()
        return True


class FutureTurn:
    """On asyncio: one future and one timer, a fifth of what a scope and an event of anyio's cost."""

    def __init__(self) -> None:
        self.given: bool = False
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def wait(self, timeout: float | None) -> None:
        """Until the turn has come, or the time is over."""
        timer = None if timeout is None else self._loop.call_later(timeout, self._end)
        try:
            await self._over
        finally:
            if timer is not None:
                timer.cancel()

    def _end(self) -> bool:
        if self._over.done():
            return False
        self._over.set_result(None)
        return True

    def give(self) -> bool:
        """It is this one's turn. False if it has stopped waiting."""
        self.given = self._end()
        return self.given
