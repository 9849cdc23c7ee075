"""A lock is free after an interrupt, before or after it was taken."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from triverse.transport.locks import run_locked


class InterruptedLock:
    """An RLock, and a Ctrl-C that arrives while a thread waits for it or as soon as a thread has it."""

    def __init__(self, *, taken: bool) -> None:
        self.lock = threading.RLock()
        self._taken = taken

    def acquire(self) -> None:
        if self._taken:
            self.lock.acquire()
        raise KeyboardInterrupt

    def release(self) -> None:
        self.lock.release()


def can_be_taken(lock: Any) -> bool:
    taken: list[bool] = []
    thread = threading.Thread(target=lambda: taken.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    return taken == [True]


@pytest.mark.parametrize("taken", [False, True])
def test_an_interrupt_leaves_the_lock_free(taken: bool) -> None:  # noqa: FBT001 - two cases of one test
    interrupted = InterruptedLock(taken=taken)
    with pytest.raises(KeyboardInterrupt):
        run_locked(cast("Any", interrupted), list)
    assert can_be_taken(interrupted.lock)


def test_an_error_of_the_function_leaves_the_lock_free() -> None:
    lock = threading.RLock()
    with pytest.raises(ZeroDivisionError):
        run_locked(lock, divmod, 1, 0)
    assert can_be_taken(lock)
