"""Cancels a coroutine at its n-th wait, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar, cast

import anyio

from triverse.transport.event_loops import running_loop

__all__ = ["CANCEL_METHODS", "MESSAGE", "CancelMethod", "CancelResult", "cancelled_at"]

T = TypeVar("T")

CancelMethod: TypeAlias = Literal["while it waits", "as the wait ends", "again and again", "by its scope"]
"""How the coroutine is cancelled. All but the last use asyncio's `Task.cancel()`."""

CANCEL_METHODS: dict[str, tuple[CancelMethod, ...]] = {
    "asyncio": ("while it waits", "as the wait ends", "again and again", "by its scope"),
    "trio": ("by its scope",),
}

MESSAGE = "cancelled by the test"

AtWait: TypeAlias = Callable[[int, object], None]


@dataclass(frozen=True)
class CancelResult(Generic[T]):
    """How the coroutine ended.

    Attributes:
        reached: whether it reached the wait at which it should be cancelled.
        cancelled: whether it ended by the cancellation.
        value: what it returned otherwise.
        message: the message of the cancellation, which identifies it.
    """

    reached: bool
    cancelled: bool
    value: T | None
    message: str | None = None


@types.coroutine
def _watched(work: Coroutine[object, object, T], at_wait: AtWait) -> Generator[object, object, T]:
    """Run the coroutine, and call `at_wait` at each wait before the event loop receives it."""
    sent: object = None
    failed: BaseException | None = None
    number = 0
    while True:
        try:
            waited = work.send(sent) if failed is None else work.throw(failed)
        except StopIteration as done:
            return cast("T", done.value)
        number += 1
        at_wait(number, waited)
        sent = failed = None
        try:
            sent = yield waited
        except BaseException as error:  # noqa: BLE001 - it is raised in the coroutine
            failed = error


async def cancelled_at(number: int, way: CancelMethod, work: Coroutine[object, object, T]) -> CancelResult[T]:
    """Run the coroutine in its own task, and cancel it at the wait with this number, counted from 1."""
    return await (_by_scope(number, work) if way == "by its scope" else _by_task(number, way, work))


async def _by_scope(number: int, work: Coroutine[object, object, T]) -> CancelResult[T]:
    reached, value = False, None

    def at_wait(current: int, _: object) -> None:
        nonlocal reached
        if current == number:
            reached = True
            scope.cancel()

    with anyio.CancelScope() as scope:
        value = await _watched(work, at_wait)
    return CancelResult(reached, scope.cancelled_caught, value, MESSAGE)


async def _by_task(number: int, way: CancelMethod, work: Coroutine[object, object, T]) -> CancelResult[T]:
    assert isinstance(running_loop(), asyncio.AbstractEventLoop)
    reached = False

    def at_wait(current: int, waited: object) -> None:
        nonlocal reached
        if current != number and not (way == "again and again" and current > number):
            return
        reached = True
        if way == "as the wait ends" and isinstance(waited, asyncio.Future):
            # This callback runs before the task wakes up, so the task has a result and a cancellation at once.
            cast("asyncio.Future[object]", waited).add_done_callback(lambda _: task.cancel(MESSAGE))
        else:
            task.cancel(MESSAGE)

    async def watched() -> T:
        return await _watched(work, at_wait)

    task = asyncio.create_task(watched())
    try:
        value = await task
    except asyncio.CancelledError as cancelled:
        return CancelResult(reached, task.cancelled(), None, " ".join(cancelled.args))
    return CancelResult(reached, cancelled=False, value=value)
