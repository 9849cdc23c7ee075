"""A semaphore for threads that serves them in the order in which they came.

`threading.Semaphore` lets a newcomer overtake threads that wait. Here a released permit goes straight to the thread
that has waited longest. A thread that stops waiting leaves no gap, even if the permit is handed to it at that moment.

KeyboardInterrupt does not lose a permit either. Python checks for signals when a function begins, after calls and on
backward jumps, so a permit changes hands in plain assignments, and each `Permit` records whether it is held. This is
why `release()` must follow `try_acquire()` however that ends, and why releasing twice does no harm.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import cast

from triverse.transport.locks import run_locked

__all__ = ["FairSemaphore", "Permit"]


class Permit:
    """One thread's place in the queue, and then its permit."""

    held: bool = False
    # A locked lock on which the waiter blocks; releasing it hands the permit over.
    handed_over: threading.Lock | None = None

    def stop_waiting(self) -> None:
        """End the wait of the thread that waits for this permit. For other threads."""
        if self.handed_over is not None:
            with suppress(RuntimeError):  # it was handed over at this moment
                self.handed_over.release()


class FairSemaphore:
    """At most `limit` permits are held at once."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.RLock()
        self._free = limit
        self._waiting: deque[Permit] = deque()

    def try_acquire(self, permit: Permit) -> bool:
        """Take a permit, or a place in the queue. `release()` must follow, also if this raises."""
        run_locked(self._lock, self._take, permit)
        return permit.held

    def _take(self, permit: Permit) -> None:
        if self._free:
            self._free -= 1
            permit.held = True
        else:
            permit.handed_over = threading.Lock()
            permit.handed_over.acquire()
            self._waiting.append(permit)

    def wait(self, permit: Permit, timeout: float | None) -> bool:
        """Wait in the queue; False if no permit came in time."""
        if permit.handed_over is not None:
            permit.handed_over.acquire(timeout=-1 if timeout is None else max(timeout, 0.0))
        return permit.held

    def release(self, permit: Permit) -> None:
        """Give the permit to the next in the queue, or stop waiting."""
        run_locked(self._lock, self._give_back, permit)

    def _give_back(self, permit: Permit) -> None:
        if not permit.held:
            if permit in self._waiting:
                self._waiting.remove(permit)
            return
        if not self._waiting:
            permit.held = False
            self._free += 1
            return
        successor = self._waiting[0]
        handed_over = cast("threading.Lock", successor.handed_over)
        permit.held = False
        del self._waiting[0]
        successor.held = True
        try:  # noqa: SIM105 - as the functions of `suppress()` begin, Python checks for signals
            handed_over.release()
        except RuntimeError:  # its wait was ended at this moment
            pass
