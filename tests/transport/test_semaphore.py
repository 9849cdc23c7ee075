"""Waiting in line: first come, first served, and nobody who leaves takes a place along."""

from __future__ import annotations

import threading
import time

import anyio
import pytest
from anyio.lowlevel import checkpoint

from triverse.transport.async_semaphore import AsyncGate
from triverse.transport.semaphore import Gate, Turn


def waiting(gate: Gate | AsyncGate) -> int:
    return len(gate._waiting)  # pyright: ignore[reportPrivateUsage]  # the gate tells nobody


def until(gate: Gate, count: int) -> None:
    while waiting(gate) != count:
        time.sleep(0.001)


def enter(gate: Gate, timeout: float | None = None) -> Turn:
    turn = Turn()
    assert gate.enter(turn) or gate.wait(turn, timeout)
    return turn


def refuses(gate: Gate, timeout: float) -> bool:
    turn = Turn()
    refused = not gate.enter(turn) and not gate.wait(turn, timeout)
    gate.leave(turn)
    return refused


def test_threads_enter_in_the_order_they_came() -> None:
    gate, order = Gate(1), list[int]()
    first = enter(gate)

    def take(number: int) -> None:
        turn = enter(gate)
        order.append(number)
        gate.leave(turn)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(20)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(gate, number)
    gate.leave(first)
    for thread in threads:
        thread.join()
    assert order == list(range(20))
    assert not refuses(gate, 0)


def test_a_thread_that_gives_up_leaves_no_hole() -> None:
    gate = Gate(1)
    first = enter(gate)
    assert refuses(gate, 0.01)
    assert refuses(gate, 0)
    assert waiting(gate) == 0
    gate.leave(first)
    enter(gate, 0)
    assert refuses(gate, 0)


def test_a_permit_is_given_back_once_however_often_one_leaves() -> None:
    gate = Gate(1)
    first = enter(gate)
    gate.leave(first)
    gate.leave(first)
    enter(gate, 0)
    assert refuses(gate, 0)


def test_a_thread_whose_permit_comes_as_it_gives_up_takes_it() -> None:
    gate = Gate(1)

    def take() -> None:
        turn = Turn()
        if not gate.enter(turn):
            gate.wait(turn, 0.002)
        gate.leave(turn)

    for _ in range(50):
        turn = enter(gate)
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.002)
        gate.leave(turn)
        thread.join()
    assert waiting(gate) == 0
    assert not refuses(gate, 0)


@pytest.mark.anyio
async def test_tasks_enter_in_the_order_they_came() -> None:
    gate, order = AsyncGate(1), list[int]()
    assert await gate.enter(None)

    async def take(number: int) -> None:
        assert await gate.enter(None)
        order.append(number)
        gate.leave()

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(take, number)
            while waiting(gate) <= number:
                await checkpoint()
        gate.leave()
    assert order == list(range(20))


@pytest.mark.anyio
async def test_a_task_that_gives_up_leaves_no_hole() -> None:
    gate = AsyncGate(1)
    assert await gate.enter(None)
    assert not await gate.enter(0.01)
    assert not await gate.enter(0)
    assert waiting(gate) == 0
    gate.leave()
    assert await gate.enter(0)


@pytest.mark.anyio
@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_task_that_is_cancelled_in_line_gives_the_permit_on(handed_over: bool) -> None:  # noqa: FBT001 - two cases of one test
    """Also if the permit comes at the very moment of the cancellation."""
    gate = AsyncGate(1)
    assert await gate.enter(None)

    async def take() -> None:
        assert await gate.enter(None)
        gate.leave()

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        while not waiting(gate):
            await checkpoint()
        if handed_over:
            gate.leave()
        group.cancel_scope.cancel()
    assert waiting(gate) == 0
    if not handed_over:
        gate.leave()
    with anyio.fail_after(1):
        assert await gate.enter(None)
