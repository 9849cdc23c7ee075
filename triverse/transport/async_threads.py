"""Work in threads, for tasks: disks and pipes cannot be waited for by an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio.to_thread import run_sync

from triverse.core.errors import TransportError

__all__ = ["run_in_thread"]

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T], *, abandon_on_cancel: bool = False) -> T:
    """Run the function in a thread.

    Raises:
        TransportError: the system can start no more threads. The function was not called.
    """
    was_called = False

    def run() -> T:
        nonlocal was_called
        was_called = True
        return work()

    try:
        return await run_sync(run, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError as error:
        if was_called:
            raise
        how = "Allow this process more threads, or use Triverse, which needs none for files"
        raise TransportError(
            f"could not start a thread to read or write a file ({error}). {how}", cause=error
        ) from error
