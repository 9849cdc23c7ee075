"""Cutting off threads that wait for the network.

A task can be cancelled; a thread can only be made to fail. So whoever starts threads that call the service, and may
have to stop them, has them use a wire that can be cut: sockets in use are shut down, pauses end, nothing new is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

from triverse.core.attempt import Attempt
from triverse.core.secret import Secret

if TYPE_CHECKING:
    from triverse.transport.sync import Line, Lines

__all__ = ["Cut", "CutOffError", "CuttableLines"]


class CutOffError(Exception):
    """The wire was cut. Only those who cut it see this."""


class Cut:
    """What is to be cut, all at once and for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = threading.Event()
        self._in_use: set[CuttableLine] = set()

    def make(self) -> None:
        """Cut everything off."""
        with self._lock:
            self._made.set()
            for line in self._in_use:
                line.abort()

    def pause(self, seconds: float) -> None:
        """Sleep until then, or until the cut."""
        self._made.wait(seconds)

    def hold(self, line: Line) -> CuttableLine:
        """A line that is in use from now on.

        Raises:
            CutOffError: too late.
        """
        cuttable = CuttableLine(line, self)
        with self._lock:
            if not self._made.is_set():
                self._in_use.add(cuttable)
                return cuttable
        line.keep()
        raise CutOffError

    def release(self, line: CuttableLine) -> None:
        """A line that is in use no more. What becomes of it is no business of the cut's."""
        with self._lock:
            self._in_use.remove(line)


class CuttableLine:
    """A line in use."""

    __slots__ = ("_cut", "_line")

    def __init__(self, line: Line, cut: Cut) -> None:
        self._line = line
        self._cut = cut

    @property
    def put(self) -> Callable[[httpx.Request], httpx.Response]:
        """Sends a request and reads the head of the response."""
        return self._line.put

    def keep(self) -> None:
        """It did well, and may be used again."""
        self._cut.release(self)
        self._line.keep()

    def drop(self) -> None:
        """It failed."""
        self._cut.release(self)
        self._line.drop()

    def abort(self) -> None:
        """Make whoever uses it fail."""
        self._line.abort()


class CuttableLines:
    """The lines of a wire, as long as they are not cut."""

    def __init__(self, lines: Lines, cut: Cut) -> None:
        self.request: Callable[[Attempt, Secret], httpx.Request] = lines.request
        self.close_idle: Callable[[], None] = lines.close_idle
        self._lines = lines
        self._cut = cut

    def take(self, attempt: Attempt) -> CuttableLine:
        """A line for one attempt."""
        return self._cut.hold(self._lines.take(attempt))
