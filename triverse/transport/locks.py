"""Run a function under a lock that no KeyboardInterrupt can leave locked.

Python checks for signals after calls. Since Python 3.14, a `with` statement calls `__enter__` outside of the range in
which its `__exit__` is sure to be called: an interrupt in between leaves the lock locked, and every later caller hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["run_locked"]

P = ParamSpec("P")
T = TypeVar("T")


def run_locked(lock: threading.RLock, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function while this thread has the lock. It must be an RLock, which knows its owner."""
    try:
        lock.acquire()
        return function(*args, **kwargs)
    finally:
        try:  # noqa: SIM105 - as the functions of `suppress()` begin, Python checks for signals
            lock.release()
        except RuntimeError:  # interrupted while it waited for the lock
            pass
