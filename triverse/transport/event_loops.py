"""The event loop that runs here, asyncio's or trio's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context

from attrs import frozen

__all__ = ["Background", "running_loop", "spawn"]


def running_loop() -> object:
    """What stands for the running event loop, as long as it lives."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            token: object = trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
        else:
            return token
    return asyncio.get_running_loop()


@frozen
class Background:
    """A task that runs beside the one that began it.

    Attributes:
        task: keeps the task alive, which asyncio does not.
        call_soon: runs a function in its event loop, from any thread.
    """

    task: object
    call_soon: Callable[[Callable[[], object]], object]


def spawn(run: Callable[[], Coroutine[object, object, None]]) -> Background:
    """Begin a task that nobody waits for. It may raise nothing, and ends with the event loop at the latest."""
    loop = running_loop()
    if isinstance(loop, asyncio.AbstractEventLoop):
        return Background(loop.create_task(run()), loop.call_soon_threadsafe)
    import trio  # noqa: PLC0415 - it is there, since its loop runs; who does not use it need not have it

    task = trio.lowlevel.spawn_system_task(run, context=copy_context())
    return Background(task, trio.lowlevel.current_trio_token().run_sync_soon)
