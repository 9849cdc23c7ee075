"""Stop calls that other threads are making.

Tasks can be cancelled, threads cannot. To stop worker threads, their sockets are shut down, so that the blocked call
fails, and pauses end. Code that starts such threads passes one `CancelToken` to all of their attempts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

__all__ = ["AbortedError", "CancelToken"]


class AbortedError(Exception):
    """The token of an attempt was cancelled. Only the code that cancels it sees this."""


class CancelToken:
    """Cancels all attempts that it was passed to, and all later ones."""

    def __init__(self) -> None:
        self._process = os.getpid()
        # The garbage collector may call cancel() in a thread that is inside of on_cancel().
        self._lock = threading.RLock()
        self._cancelled = threading.Event()
        self._callbacks: set[Callable[[], None]] = set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel()` was called."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise if the token is cancelled.

        Raises:
            AbortedError: it is.
        """
        if self.cancelled:
            raise AbortedError

    def cancel(self) -> None:
        """Call all callbacks, end all pauses, and refuse what begins later.

        Does nothing in a forked child: the sockets are shared with the parent, and its threads do not exist here.
        """
        if self._process != os.getpid():
            return
        with self._lock:
            self._cancelled.set()
            for callback in tuple(self._callbacks):
                callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call this function if the token is cancelled before `remove()`.

        Raises:
            AbortedError: it is cancelled already.
        """
        with self._lock:
            self._callbacks.add(callback)
            if not self.cancelled:
                return
            self._callbacks.discard(callback)
        raise AbortedError

    def remove(self, callback: Callable[[], None]) -> None:
        """Call this function no more. If `cancel()` is calling it at this moment, wait for that."""
        with self._lock:
            self._callbacks.discard(callback)

    def wait(self, seconds: float) -> bool:
        """Sleep; return early and with True if the token is cancelled."""
        return self._cancelled.wait(seconds)
