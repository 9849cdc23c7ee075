"""Event loops that end by `loop.close()` alone while a call or a transfer is under way: nothing is kept or left."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import define, evolve
from support.clients import KEY
from support.file_server import Got, Sent, accepted, file_response, json_response, serving_files
from support.files import PNG, glb

from triverse import AsyncTriverse

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
MODEL = glb(3_000_000)


@define
class Scene:
    """The service, which stops in the middle of each response, and callbacks, which wait, until the scene goes on."""

    path: Path
    goes_on: bool = False
    has_paused: bool = False

    def serve(self, got: Got) -> Sent:
        middle = 3
        if got.path.endswith("/upload/image"):
            sent = accepted(got)
        elif "/download/" in got.path:
            sent, middle = file_response(MODEL, got), len(MODEL) // 2
        else:
            data = {"task_uuid": TASK, "status": "SUCCESS", "balance": 100.0, "frozen": 0.0}
            sent = json_response({"code": 0, "message": "success", "data": data})
        return evolve(sent, stall=None if self.goes_on else middle)

    async def pause(self, _: object) -> None:
        self.has_paused = True
        if not self.goes_on:
            await asyncio.get_running_loop().create_future()


Work: TypeAlias = Callable[[AsyncTriverse, Scene], Awaitable[object]]


async def stream(client: AsyncTriverse, _: Scene) -> None:
    async with client.tasks.stream(TASK) as download:
        assert await download.read() == MODEL


async def pause_in_stream(client: AsyncTriverse, scene: Scene) -> None:
    async with client.tasks.stream(TASK) as download:
        async for _ in download:
            await scene.pause(None)


async def balances(client: AsyncTriverse, _: Scene) -> None:
    async with client.balances({"one": KEY, "other": f"{KEY}-other"}) as accounts:
        assert [account.error async for account in accounts] == [None, None]


IN_RESPONSES: dict[str, Work] = {
    "balance": lambda client, _: client.users.balance(),
    "shared balance": lambda client, _: client.users.balance(max_age=5),
    "create": lambda client, _: client.tasks.text_to_mesh("a brass helmet"),
    "wait": lambda client, _: client.tasks.wait(TASK),
    "stream": stream,
}
# Not at any moment: anyio keeps a task that waits for a thread as its loop is closed.
IN_CALLBACKS: dict[str, Work] = {
    "upload": lambda client, scene: client.uploads.image(PNG, on_progress=scene.pause),
    "download": lambda client, scene: client.tasks.download(TASK, scene.path / "x.glb", on_progress=scene.pause),
    "body of a stream": pause_in_stream,
}
ALL = {**IN_RESPONSES, **IN_CALLBACKS}


async def run(work: Work, client: AsyncTriverse, scene: Scene) -> None:
    await work(client, scene)


def ignore(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    assert context["message"] == "Task was destroyed but it is pending!"


def close_in_the_middle(client: AsyncTriverse, work: Work, scene: Scene, stalled: Callable[[], object]) -> None:
    """Close a loop by `close()` alone in the middle of this work, and forget the task."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(ignore)

    async def until_stalled() -> None:
        while not stalled():  # noqa: ASYNC110 - what a thread does
            await asyncio.sleep(0.001)

    task = loop.create_task(run(work, client, scene))
    loop.run_until_complete(until_stalled())
    loop.close()
    assert not task.done()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What Python only reports, as the errors of a coroutine that the garbage collector closes."""
    reported: list[BaseException | None] = []

    def report(unraisable: sys.UnraisableHookArgs) -> None:
        reported.append(unraisable.exc_value)

    monkeypatch.setattr(sys, "unraisablehook", report)
    return reported


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ALL)
def test_a_closed_loop_leaves_no_socket_file_or_message(
    kind: str, tmp_path: Path, unraisable: list[BaseException | None]
) -> None:
    scene = Scene(tmp_path)
    with serving_files(scene.serve) as server:
        client = AsyncTriverse(KEY, base_url=server.url)
        stalled = (lambda: scene.has_paused) if kind in IN_CALLBACKS else (lambda: server.requests)
        close_in_the_middle(client, ALL[kind], scene, stalled)
        gc.collect()
        assert server.settled()
        assert (unraisable, list(tmp_path.iterdir())) == ([], [])
        scene.goes_on = True
        asyncio.run(run(ALL[kind], client, scene))
        assert server.settled()


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of httpcore's own coroutines
def test_the_next_loop_may_collect_what_a_closed_loop_left(kind: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def collect() -> None:
        gc.collect()

    with serving_files(scene.serve) as server:
        client = AsyncTriverse(KEY, base_url=server.url)
        stalled = (lambda: scene.has_paused) if kind in IN_CALLBACKS else (lambda: server.requests)
        gc.disable()
        try:
            close_in_the_middle(client, ALL[kind], scene, stalled)
            asyncio.run(collect())
        finally:
            gc.enable()
        assert server.settled()
        assert list(tmp_path.iterdir()) == []


def test_balances_of_a_closed_loop_keep_no_connection(tmp_path: Path) -> None:
    # anyio keeps the tasks, so that only the next loop can close their sockets.
    scene = Scene(tmp_path)
    with serving_files(scene.serve) as server:
        client = AsyncTriverse(KEY, base_url=server.url)
        close_in_the_middle(client, balances, scene, lambda: server.requests)
        scene.goes_on = True
        asyncio.run(run(balances, client, scene))
        assert server.settled()
