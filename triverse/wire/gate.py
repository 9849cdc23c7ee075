"""Waiting in line for the wire: at most so many at once, first come, first served.

A permit that is given back goes straight to whoever has waited longest, so nobody who comes later can overtake; one who
stops waiting leaves no hole, even if the permit is handed over at that very moment.
"""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Gate"]


class Gate:
    """For threads."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        # A waiter is a held lock that its owner tries to take again: letting go of it is the hand-over.
        self._waiting: deque[threading.Lock] = deque()

    def enter(self, timeout: float | None) -> bool:
        """Take a permit; False if none came in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            if turn.acquire(timeout=-1 if timeout is None else max(timeout, 0.0)):
                return True
        except BaseException:
            if not self._withdraw(turn):
                self.leave()
            raise
        return not self._withdraw(turn)

    def _withdraw(self, turn: threading.Lock) -> bool:
        """Stop waiting; False if the permit came first."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True

    def leave(self) -> None:
        """Give the permit back, or on to the next in line."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
