"""Cancelling a coroutine at a chosen one of the points where it waits, on asyncio and on trio."""

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
"""How the cancellation comes. All but the last are those of asyncio's own `Task.cancel()`."""

CANCEL_METHODS: dict[str, tuple[CancelMethod, ...]] = {
    "asyncio": ("while it waits", "as the wait ends", "again and again", "by its scope"),
    "trio": ("by its scope",),
}

MESSAGE = "because I say so"

AtWait: TypeAlias = Callable[[int, object], None]


@dataclass(frozen=True)
class CancelResult(Generic[T]):
    """How it ended.

    Attributes:
        reached: whether it ever came to the point where it was to be cancelled.
        cancelled: whether the cancellation came out of it.
        value: what came out of it otherwise.
        said: the cancellation's own words, by which it is known again.
    """

    reached: bool
    cancelled: bool
    value: T | None
    said: str | None = None


@types.coroutine
def _watched(work: Coroutine[object, object, T], at_wait: AtWait) -> Generator[object, object, T]:
    """Do the work, and tell of each wait before the event loop hears of it."""
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
        except BaseException as error:  # noqa: BLE001 - it is the work's to see
            failed = error


async def cancelled_at(number: int, way: CancelMethod, work: Coroutine[object, object, T]) -> CancelResult[T]:
    """Do the work in a task of its own, and cancel it at the wait of this number, counted from 1."""
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
            # It hears before the task does, which so has its answer and its cancellation at once.
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
