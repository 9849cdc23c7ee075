"""Stop calls that other threads are making.

Tasks can be cancelled, threads cannot. To stop worker threads, their sockets are shut down, so that the blocked call
fails, and pauses end. Code that starts such threads passes one `CancelToken` to all of their attempts.

The main thread may be interrupted by Ctrl-C inside of `cancel()` and then calls it again. So it uses nothing but an
RLock and queues, which are written in C: an Event or a Condition can be left locked by a KeyboardInterrupt.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from triverse.transport.locks import run_locked

__all__ = ["AbortedError", "CancelToken"]


class AbortedError(Exception):
    """The token of an attempt was cancelled. Only the code that cancels it sees this."""


class CancelToken:
    """Cancels all attempts that it was passed to, and all later ones."""

    def __init__(self) -> None:
        self._process = os.getpid()
        # The garbage collector may call cancel() in a thread that is inside of on_cancel().
        self._lock = threading.RLock()
        self._callbacks: set[Callable[[], object]] = set()
        self.cancelled: bool = False

    def check(self) -> None:
        """Raise if the token is cancelled.

        Raises:
            AbortedError: it is.
        """
        if self.cancelled:
            raise AbortedError

    def cancel(self) -> None:
        """Call all callbacks, end all pauses, and refuse what begins later. Can be repeated.

        Does nothing in a forked child: the sockets are shared with the parent, and its threads do not exist here.
        """
        if self._process != os.getpid():
            return
        run_locked(self._lock, self._cancel)

    def _cancel(self) -> None:
        self.cancelled = True
        for callback in tuple(self._callbacks):
            callback()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call this function if the token is cancelled before `remove()`.

        Raises:
            AbortedError: it is cancelled already.
        """
        run_locked(self._lock, self._add, callback)

    def _add(self, callback: Callable[[], object]) -> None:
        # Added first: the garbage collector may call cancel() in between.
        self._callbacks.add(callback)
        if self.cancelled:
            self._callbacks.discard(callback)
            raise AbortedError

    def remove(self, callback: Callable[[], object]) -> None:
        """Call this function no more. If `cancel()` is calling it at this moment, wait for that."""
        run_locked(self._lock, self._callbacks.discard, callback)

    def pause(self, seconds: float) -> None:
        """Sleep.

        Raises:
            AbortedError: the token is cancelled, now or before.
        """
        cancelled = SimpleQueue[None]()

        def wake_up() -> None:
            cancelled.put(None)

        self.on_cancel(wake_up)
        try:
            cancelled.get(timeout=seconds)
        except Empty:
            return
        finally:
            self.remove(wake_up)
        raise AbortedError
