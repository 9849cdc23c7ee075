"""How many uploads each key has made in the last 60 seconds, for a client and all its views.

It survives `fork()`: the child goes on with what the parent had counted, since the service counts both together, and
makes a lock of its own, since a thread of the parent may have held the old one.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Final

from triverse.core.secret import Secret
from triverse.transport.locks import run_locked

__all__ = ["KeyUploadWindow", "UploadWindows"]

_UPLOADS: Final = 10
# The service counts an upload when it arrives, a little later than it is sent here, and not always equally later.
_SECONDS: Final = 60.0 + 0.5
# More than ten: some may be reserved for later, after a pause that the server asked for.
_REMEMBERED: Final = 100


class UploadWindows:
    """The windows of all keys."""

    def __init__(self) -> None:
        self.starts: dict[Secret, list[float]] = {}
        self._renew_lock()

    def _renew_lock(self) -> None:
        self._process = os.getpid()
        self.lock: threading.RLock = threading.RLock()

    def _lock_here(self) -> threading.RLock:
        if self._process != os.getpid():
            self._renew_lock()
        return self.lock

    def of(self, key: Secret) -> KeyUploadWindow:
        """Return the window of one key."""
        return KeyUploadWindow(self, key)

    def reserve(self, key: Secret, earliest: float) -> float:
        """Reserve the next upload by this key, and return when it may start."""
        return run_locked(self._lock_here(), self._reserve, key, earliest)

    def _reserve(self, key: Secret, earliest: float) -> float:
        starts = self.starts.get(key, [])
        start = _next_start(starts, earliest)
        self._forget_before(start - _SECONDS)
        insort(starts, start)
        del starts[:-_REMEMBERED]
        # Moved to the end, so that the keys that were used longest ago are the first.
        self.starts.pop(key, None)
        self.starts[key] = starts
        return start

    def _forget_before(self, time: float) -> None:
        for key, starts in list(self.starts.items()):
            if starts and starts[-1] > time:
                break
            del self.starts[key]

    def release(self, key: Secret, start: float) -> None:
        """Take a reservation back."""
        run_locked(self._lock_here(), self._release, key, start)

    def _release(self, key: Secret, start: float) -> None:
        starts = self.starts.get(key, [])
        if start in starts:
            starts.remove(start)


def _next_start(starts: Sequence[float], earliest: float) -> float:
    start = earliest
    while (before := bisect_right(starts, start)) >= _UPLOADS and starts[before - _UPLOADS] + _SECONDS > start:
        start = starts[before - _UPLOADS] + _SECONDS
    return start


class KeyUploadWindow:
    """The window of one key."""

    def __init__(self, windows: UploadWindows, key: Secret) -> None:
        self._windows = windows
        self._key = key

    def reserve(self, earliest: float) -> float:
        """Reserve the next upload, and return when it may start."""
        return self._windows.reserve(self._key, earliest)

    def release(self, start: float) -> None:
        """Take a reservation back."""
        self._windows.release(self._key, start)
