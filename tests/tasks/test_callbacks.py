"""Exceptions of callbacks end the call and reach the caller, in each client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest
from support.clients import MODES, Mode, run_async
from support.fake_transport import FakeApi
from support.files import PNG

from triverse import ConfigurationError, Task
from triverse.sandbox import Sandbox


class MistakeError(Exception):
    pass


def wait(mode: Mode, sandbox: Sandbox, task: UUID, on_update: Callable[[Task], object]) -> Task:
    if mode == "sync":
        with sandbox.client() as client:
            return client.tasks.wait(task, timeout=0, on_update=on_update)

    async def main() -> Task:
        async with sandbox.async_client() as client:
            return await client.tasks.wait(task, timeout=0, on_update=on_update)

    return run_async(mode, main)


def finished_task() -> tuple[Sandbox, UUID]:
    sandbox = Sandbox(task_seconds=0)
    with sandbox.client() as client:
        return sandbox, client.tasks.text_to_model("a brass helmet").task_uuid


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exception", [MistakeError, StopAsyncIteration, KeyError, TimeoutError])
def test_an_exception_of_on_update_reaches_the_caller(mode: Mode, exception: type[Exception]) -> None:
    def fail(_task: Task) -> None:
        raise exception

    async def fail_later(_task: Task) -> None:
        raise exception

    callbacks: list[Callable[[Task], object]] = [fail] if mode == "sync" else [fail, fail_later]
    for on_update in callbacks:
        with pytest.raises(exception) as caught:
            wait(mode, *finished_task(), on_update)
        assert type(caught.value) is exception


def test_an_on_update_that_only_returns_a_coroutine_is_refused_by_name() -> None:
    async def update(_task: Task) -> None: ...

    def hidden(task: Task) -> Awaitable[None]:
        return update(task)

    with pytest.raises(ConfigurationError, match=r"^on_update must not be asynchronous here"):
        wait("sync", *finished_task(), hidden)


def fail_with_stop(_value: object) -> None:
    raise StopIteration("mine")


def test_a_stop_iteration_of_a_callback_reaches_the_caller(tmp_path: Path) -> None:
    """Generators make a RuntimeError of it, and ours are no concern of the caller."""
    sandbox, task = finished_task()
    with sandbox.client() as client:
        calls: list[Callable[[], object]] = [
            lambda: client.tasks.wait(task, on_update=fail_with_stop),
            lambda: client.tasks.download(task, tmp_path, on_progress=fail_with_stop),
            lambda: client.uploads.image(PNG, on_progress=fail_with_stop),
        ]
        for call in calls:
            with pytest.raises(StopIteration, match="mine") as caught:
                call()
            assert caught.value.__context__ is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_a_stop_iteration_in_an_async_client_is_the_cause_of_the_error(tmp_path: Path) -> None:
    """Python lets no StopIteration out of a coroutine."""
    sandbox, task = finished_task()
    async with sandbox.async_client() as client:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: client.tasks.wait(task, on_update=fail_with_stop),
            lambda: client.tasks.download(task, tmp_path, on_progress=fail_with_stop),
            lambda: client.uploads.image(PNG, on_progress=fail_with_stop),
        ]
        for call in calls:
            with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
                await call()
            assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.anyio
async def test_a_stop_async_iteration_of_on_error_does_not_end_a_watch_in_silence() -> None:
    def stop(_error: Exception) -> None:
        raise StopAsyncIteration

    service = FakeApi()
    service.script.append(503)
    async with service.async_client() as client:
        with pytest.raises(RuntimeError, match="a callback raised StopAsyncIteration"):
            await anext(client.users.watch_balance(on_error=stop))
