"""Waiting in line for the wire: at most so many at once, first come, first served.

A permit that is given back goes straight to whoever has waited longest, so nobody who comes later can overtake; one who
stops waiting leaves no hole, even if the permit is handed over at that very moment.

Nor does a Ctrl-C. Python looks for it as a function begins and after calls, so a permit changes hands in plain
assignments, and each turn knows for itself whether it has one.
"""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Gate", "Turn"]


class Turn:
    """Somebody's place: in the line, then at the wire."""

    given: bool = False
    # A held lock that its owner tries to take again: letting go of it is the hand-over.
    bell: threading.Lock


class Gate:
    """For threads."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        self._waiting: deque[Turn] = deque()

    def enter(self, turn: Turn) -> bool:
        """Take a permit, or a place in the line. Either way, and if this fails, `leave()` is to follow."""
        with self._lock:
            if self._free:
                self._free -= 1
                turn.given = True
            else:
                turn.bell = threading.Lock()
                turn.bell.acquire()
                self._waiting.append(turn)
        return turn.given

    def wait(self, turn: Turn, timeout: float | None) -> bool:
        """Wait in line; False if the time is over, and no permit came."""
        turn.bell.acquire(timeout=-1 if timeout is None else max(timeout, 0.0))
        return turn.given

    def leave(self, turn: Turn) -> None:
        """Give the permit back, or on to the next in line; or stop waiting. To do it again does no harm."""
        with self._lock:
            if not turn.given:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                return
            turn.given = False
            if not self._waiting:
                self._free += 1
                return
            after = self._waiting[0]
            del self._waiting[0]
            after.given = True
            after.bell.release()
