# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import gc
import os
import sys

import anyio
import pytest
from support.clients import KEY, Mode, run_async
from support.internals import loop_states
from support.server import serving

from triverse import AsyncTriverse
from triverse.transport.event_loops import PerLoop, running_loop, start_background_task


def test_the_running_loop_is_found_if_trio_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_found() -> bool:
        return running_loop() is asyncio.get_running_loop()

    monkeypatch.delitem(sys.modules, "trio", raising=False)
    assert asyncio.run(is_found())


def test_each_loop_has_its_value_and_forgets_it_on_demand() -> None:
    values: PerLoop[str] = PerLoop()

    async def use(value: str) -> str | None:
        assert values.get() is None
        assert values.set(value) == value
        found = values.get()
        values.remove()
        assert values.get() is None
        values.remove()
        return found

    assert asyncio.run(use("one")) == "one"
    assert anyio.run(use, "two", backend="trio") == "two"


def test_values_of_closed_loops_are_released() -> None:
    released: list[int] = []
    values: PerLoop[int] = PerLoop(released.append)

    async def use(value: int) -> int | None:
        return values.get() or values.set(value)

    for value in (1, 2, 3):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(use(value)) == value
        loop.close()
    assert released == [1, 2]


def test_a_loop_that_goes_on_finds_that_others_were_closed() -> None:
    released: list[int] = []
    values: PerLoop[int] = PerLoop(released.append)

    async def use(value: int) -> int | None:
        return values.get() or values.set(value)

    lasting, passing = asyncio.new_event_loop(), asyncio.new_event_loop()
    lasting.run_until_complete(use(1))
    passing.run_until_complete(use(2))
    passing.close()
    lasting.run_until_complete(use(3))
    lasting.close()
    assert released == [2]


def test_a_forked_child_releases_what_it_inherited_and_starts_without_values() -> None:
    released: list[int] = []
    values: PerLoop[int] = PerLoop(released.append)

    async def use() -> bool:
        return values.get() is None

    loop = asyncio.new_event_loop()

    async def keep() -> None:
        values.set(1)

    loop.run_until_complete(keep())
    child = os.fork()
    if not child:
        os._exit(0 if asyncio.run(use()) and released == [1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    loop.close()
    assert released == []


@pytest.mark.parametrize("mode", ["asyncio", "uvloop"])
def test_loops_that_end_with_close_alone_keep_no_sockets(mode: str) -> None:
    import uvloop  # noqa: PLC0415 - only one of two cases needs it

    with serving() as server:
        client = AsyncTriverse(KEY, base_url=server.url)
        loops = [uvloop.new_event_loop() if mode == "uvloop" else asyncio.new_event_loop() for _ in range(5)]
        for loop in loops:
            loop.run_until_complete(client.users.balance())
            loop.close()
        assert len(loop_states(client)) <= 1
        assert server.settled(still_open=1)


def test_a_child_that_ends_does_not_end_its_parents_async_connections() -> None:
    """The child shares the parent's sockets and its epoll set."""

    async def main() -> int:
        async with AsyncTriverse(KEY, base_url=server.url, max_retries=0) as client:
            await client.users.balance()
            child = os.fork()
            if not child:
                gc.collect()
                for state in loop_states(client):
                    state.release()
                os._exit(0)
            await anyio.to_thread.run_sync(os.waitpid, child, 0)
            for _ in range(3):
                await client.users.balance()
        return server.connections

    with serving() as server:
        assert run_async("asyncio", main) == 1


@pytest.mark.parametrize("mode", ["asyncio", "trio"])
def test_a_background_task_runs_beside_the_one_that_started_it(mode: Mode) -> None:
    async def main() -> bool:
        started, ended = anyio.Event(), anyio.Event()

        async def run() -> None:
            started.set()
            await ended.wait()
            finished.set()

        finished = anyio.Event()
        task = start_background_task(run)
        await started.wait()
        await anyio.to_thread.run_sync(task.call_soon, ended.set)
        await finished.wait()
        return finished.is_set()

    assert run_async(mode, main)


class TakenAtOnce(dict[object, int]):
    """Another thread removes each value at once."""

    def pop(self, _key: object, default: object = None) -> object:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # only called with a default
        return default


def test_a_value_that_another_thread_drops_at_once_is_released_there() -> None:
    released: list[int] = []
    values: PerLoop[int] = PerLoop(released.append)
    loop = asyncio.new_event_loop()
    loop.close()
    values._values = TakenAtOnce({loop: 1})

    async def use() -> int:
        return values.set(2)

    assert asyncio.run(use()) == 2
    assert released == []
