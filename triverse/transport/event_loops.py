"""State of each running event loop, asyncio's or trio's.

Connections, locks and events of one loop do not work in another, and none of them may be used in a forked child. So
whatever holds them is kept in a `PerLoop`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Generic, TypeVar

from attrs import frozen

__all__ = ["BackgroundTask", "PerLoop", "check_loop", "is_running_here", "running_loop", "start_background_task"]

T = TypeVar("T")


def running_loop() -> object:
    """An object that stands for the running event loop."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            token: object = trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
        else:
            return token
    return asyncio.get_running_loop()


def is_running_here(loop: object) -> bool:
    """Whether this event loop runs the calling code.

    If a loop was closed while tasks were waiting in it, the garbage collector later throws GeneratorExit into them,
    while another loop is running or none. Then nothing may be awaited.
    """
    try:
        return running_loop() is loop
    except RuntimeError:  # none is running
        return False


def check_loop(loop: object) -> None:
    """Raise if this event loop does not run the calling code, after an error that may only come from that.

    Raises:
        GeneratorExit: it does not; the garbage collector is closing the coroutine, and expects this.
    """
    if not is_running_here(loop):
        raise GeneratorExit from None


def _is_closed(loop: object) -> bool:
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()


def _keep(_value: object) -> None:
    """Release nothing."""


class PerLoop(Generic[T]):
    """One value for each event loop of this process.

    A value is dropped when its loop turns out to be closed, and in a forked child. `release` then frees what the value
    holds. It is called in any thread and without the value's loop, so it must not use that loop.
    """

    def __init__(self, release: Callable[[T], object] = _keep) -> None:
        self._release = release
        self._process = os.getpid()
        self._values: dict[object, T] = {}
        # Values of a parent process. They are not freed, because their finalizers may use the parent's event loops.
        self._inherited: list[dict[object, T]] = []

    def get(self) -> T | None:
        """The running loop's value; None if it has none."""
        if self._process != os.getpid():
            self._reset_after_fork()
        if len(self._values) > 1:
            self._drop_closed_loops()
        return self._values.get(running_loop())

    def set(self, value: T) -> T:
        """Keep this value for the running loop, and return it."""
        self._drop_closed_loops()
        self._values[running_loop()] = value
        return value

    def remove(self) -> None:
        """Forget the running loop's value."""
        self._values.pop(running_loop(), None)

    def _drop_closed_loops(self) -> None:
        for loop in tuple(self._values):
            if _is_closed(loop):
                value = self._values.pop(loop, None)
                if value is not None:
                    self._release(value)

    def _reset_after_fork(self) -> None:
        self._inherited.append(self._values)
        self._values = {}
        self._process = os.getpid()
        for value in self._inherited[-1].values():
            self._release(value)


@frozen
class BackgroundTask:
    """A task that runs beside the one that started it.

    Attributes:
        task: keeps the task alive, which asyncio does not.
        call_soon: runs a function in its event loop, from any thread.
    """

    task: object
    call_soon: Callable[[Callable[[], object]], object]


def start_background_task(run: Callable[[], Coroutine[object, object, None]]) -> BackgroundTask:
    """Start a task that no other task waits for. It must not raise, and ends with the event loop at the latest."""
    loop = running_loop()
    if isinstance(loop, asyncio.AbstractEventLoop):
        return BackgroundTask(loop.create_task(run()), loop.call_soon_threadsafe)
    import trio  # noqa: PLC0415 - optional; it is installed if its loop is running

    task = trio.lowlevel.spawn_system_task(run, context=copy_context())
    return BackgroundTask(task, trio.lowlevel.current_trio_token().run_sync_soon)
