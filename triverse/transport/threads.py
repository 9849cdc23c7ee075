"""Start threads from the main thread, where a KeyboardInterrupt can arrive inside of any function written in Python.

`Thread.start()` waits on an Event. An interrupt inside of that can leave the Event locked, so that the new thread waits
for the lock and never runs. So `start()` is called in a thread of its own, which `_thread` starts without waiting.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

__all__ = ["start_thread"]


def start_thread(name: str, run: Callable[[], object]) -> None:
    """Run the function in a daemon thread.

    Raises:
        RuntimeError: the system can start no more threads.
    """
    _thread.start_new_thread(_start, (name, run))


def _start(name: str, run: Callable[[], object]) -> None:  # pragma: no cover - threads of `_thread` are not traced
    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError:  # it was the last thread that the system could start
        run()
