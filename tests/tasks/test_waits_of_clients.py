"""Waits of real clients for tasks of the sandbox. Pauses only move the clock that the client and the sandbox share."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio
import httpx
import pytest
from attrs import define, field
from support.clients import MODES, Mode, run_async
from support.recording import BASE_URL, Recorder

from triverse import AsyncTriverse, InvalidResponseError, Task, TaskFailedError, Triverse
from triverse.clients import system
from triverse.sandbox import Fault, Sandbox, SandboxSettings
from triverse.transport.clock import monotonic

POLLS = "GET /tasks/{task_uuid}"

TOLERATED = {
    "500": Fault(status=500),
    "502 with HTML": Fault.html(502),
    "503": Fault(status=503),
    "429": Fault(status=429),
    "429 with Retry-After": Fault(status=429, retry_after=2),
    "reset": Fault.reset(),
    "silence": Fault.silent(),
    "a cut answer": Fault.truncated(),
}


@define
class SharedClock:
    """A clock that only pauses move, and they take no time."""

    now: float = field(factory=monotonic)
    start: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.start = self.now

    def skip(self, seconds: float) -> None:
        self.now += seconds

    async def skip_async(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.now += seconds

    @property
    def elapsed(self) -> float:
        return round(self.now - self.start, 6)


def share_clock(monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    shared = SharedClock()
    jitter = random.Random(19).random  # noqa: S311 - not for secrets
    runtime = system.SYSTEM._replace(monotonic=lambda: shared.now, jitter=jitter)
    monkeypatch.setattr(system, "SYSTEM", runtime)
    monkeypatch.setattr(time, "sleep", shared.skip)
    monkeypatch.setattr(anyio, "sleep", shared.skip_async)
    return shared


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    return share_clock(monkeypatch)


@define
class Service:
    """A sandbox with a shared clock, and the time of each request."""

    clock: SharedClock
    sandbox: Sandbox
    recorder: Recorder
    trace: list[tuple[float, str, int]] = field(factory=list[tuple[float, str, int]])

    @classmethod
    def of(cls, clock: SharedClock, *, task_seconds: float = 20.0, settings: SandboxSettings | None = None) -> Service:
        sandbox = Sandbox(task_seconds=task_seconds, clock=lambda: clock.now, settings=settings)
        service = cls(clock, sandbox, Recorder(sandbox, sandbox.add_account(api_credits=1e6)))
        sandbox.on_request = lambda call: service.trace.append(
            (clock.elapsed, f"{call.method} {call.path}", call.status)
        )
        return service

    def run(
        self, mode: Mode, sync_way: Callable[[Triverse], Task], async_way: Callable[[AsyncTriverse], Awaitable[Task]]
    ) -> Task:
        if mode == "sync":
            with self.recorder.client() as client:
                return sync_way(client)

        async def main() -> Task:
            async with self.recorder.async_client() as client:
                return await async_way(client)

        return run_async(mode, main)

    def create_and_wait(self, mode: Mode) -> Task:
        def sync_way(client: Triverse) -> Task:
            return client.tasks.wait(client.tasks.text_to_model("a brass helmet"))

        async def async_way(client: AsyncTriverse) -> Task:
            return await client.tasks.wait(await client.tasks.text_to_model("a brass helmet"))

        return self.run(mode, sync_way, async_way)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("name", TOLERATED)
def test_a_fault_of_polls_does_not_end_a_wait(clock: SharedClock, mode: Mode, times: int, name: str) -> None:
    service = Service.of(clock)
    service.sandbox.faults.add(TOLERATED[name], times=times, match=POLLS)
    task = service.create_and_wait(mode)
    assert task.succeeded
    assert task.cost_credits is not None
    assert task.client_order_id == service.recorder.bodies[0]["client_order_id"]
    assert len(service.recorder.account.tasks) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_web_page_in_place_of_a_state_is_tolerated_three_times(clock: SharedClock, mode: Mode) -> None:
    service = Service.of(clock)
    service.sandbox.faults.add(Fault.html(200), times=3, match=POLLS)
    assert service.create_and_wait(mode).succeeded
    service.sandbox.faults.add(Fault.html(200), match=POLLS)
    clock.skip(100)
    with pytest.raises(InvalidResponseError) as caught:
        service.create_and_wait(mode)
    assert caught.value.task_uuid == service.recorder.account.tasks[-1].uuid


@pytest.mark.parametrize("mode", MODES)
def test_a_new_task_that_is_not_visible_yet_is_waited_for(clock: SharedClock, mode: Mode) -> None:
    service = Service.of(clock, settings=SandboxSettings(read_after_write_seconds=5))
    assert service.create_and_wait(mode).succeeded
    assert [status for _, _, status in service.trace].count(404) == 1


def test_sync_and_async_waits_send_the_same_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    traces: list[list[tuple[float, str, int]]] = []
    for mode in MODES:
        with monkeypatch.context() as patch:
            service = Service.of(share_clock(patch), task_seconds=33.0)
            for name in ("503", "reset", "429 with Retry-After", "a cut answer"):
                service.sandbox.faults.add(TOLERATED[name], times=2, match=POLLS)
            service.create_and_wait(mode)
            traces.append(service.trace)
    assert traces[0] == traces[1] == traces[2]
    assert len(traces[0]) > 8


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_task_is_an_error_with_the_reason_and_releases_its_credits(clock: SharedClock, mode: Mode) -> None:
    service = Service.of(clock, settings=SandboxSettings(outcome="FAILED"))
    with pytest.raises(TaskFailedError) as caught:
        service.create_and_wait(mode)
    assert caught.value.task is not None
    assert str(caught.value.task.reason).rstrip(".") in str(caught.value)
    assert service.recorder.account.balance.frozen == 0


# --- Interrupts ----------------------------------------------------------------------------------


def interrupt(_call: object) -> None:
    raise KeyboardInterrupt


def test_a_ctrl_c_in_a_create_or_a_wait_notes_the_id_once(clock: SharedClock) -> None:
    service = Service.of(clock)
    with service.recorder.client() as client:
        task = client.tasks.text_to_model("a brass helmet")
        service.sandbox.on_request = interrupt
        with pytest.raises(KeyboardInterrupt) as waited:
            client.tasks.wait(task)
        assert waited.value.__notes__ == [f"triverse: task {task.task_uuid} goes on; wait for it again by this id"]
        with pytest.raises(KeyboardInterrupt) as created:
            client.tasks.text_to_model("another helmet")
        (note,) = created.value.__notes__
        assert str(service.recorder.bodies[-1]["client_order_id"]) in note


@pytest.mark.anyio
async def test_a_cancelled_wait_notes_the_id_and_can_be_resumed() -> None:
    sandbox = Sandbox(task_seconds=None)
    notes: list[list[str]] = []

    async with sandbox.async_client() as client:
        task = await client.tasks.text_to_model("a brass helmet")

        async def wait() -> None:
            try:
                await client.tasks.wait(task)
            except BaseException as cancelled:
                notes.append(cancelled.__notes__)
                raise

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert notes == [[f"triverse: task {task.task_uuid} goes on; wait for it again by this id"]]
        sandbox.demo.tasks[-1].succeed()
        assert (await client.tasks.wait(task.task_uuid)).succeeded


# --- Many waits ----------------------------------------------------------------------------------


@define
class Crowd:
    """Counts the polls that are pending at the same time, and the polls of each task."""

    sandbox: Sandbox
    under_way: int = 0
    most: int = 0
    polls: Counter[str] = field(factory=Counter[str])
    lock: threading.Lock = field(factory=threading.Lock)

    def enter(self, request: httpx.Request) -> None:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.polls[request.url.path] += 1

    def leave(self, request: httpx.Request) -> httpx.Response:
        response = self.sandbox.handle(request.method, request.url.path, request.headers.multi_items())
        with self.lock:
            self.under_way -= 1
        return httpx.Response(response.status, content=response.body, headers=dict(response.headers))

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.enter(request)
        time.sleep(0.002)
        return self.leave(request)

    async def handle_async(self, request: httpx.Request) -> httpx.Response:
        self.enter(request)
        await anyio.sleep(0.002)
        return self.leave(request)


def crowd_of(number: int) -> tuple[Crowd, list[str]]:
    sandbox = Sandbox(task_seconds=0.5, settings=SandboxSettings(duplicate_seconds=0))
    account = sandbox.demo
    account.top_up(1e6)
    with sandbox.client() as client:
        ids = [str(client.tasks.text_to_mesh(f"helmet {i}").task_uuid) for i in range(number)]
    return Crowd(sandbox), ids


@pytest.mark.anyio
async def test_a_thousand_waits_stay_within_max_connections_and_take_turns() -> None:
    crowd, ids = crowd_of(1000)
    results: dict[str, Task] = {}

    async def wait(client: AsyncTriverse, task: str) -> None:
        results[task] = await client.tasks.wait(task)

    http_client = httpx.AsyncClient(transport=httpx.MockTransport(crowd.handle_async))
    async with (
        http_client,
        AsyncTriverse(crowd.sandbox.demo.key, base_url=BASE_URL, http_client=http_client, max_connections=20) as client,
        anyio.create_task_group() as group,
    ):
        for task in ids:
            group.start_soon(wait, client, task)
    assert all(results[task].succeeded for task in ids)
    assert crowd.most == 20
    assert max(crowd.polls.values()) <= 5


def test_waits_of_many_threads_stay_within_max_connections() -> None:
    crowd, ids = crowd_of(100)
    http_client = httpx.Client(transport=httpx.MockTransport(crowd.handle))
    with (
        http_client,
        Triverse(crowd.sandbox.demo.key, base_url=BASE_URL, http_client=http_client, max_connections=5) as client,
        ThreadPoolExecutor(100) as pool,
    ):
        assert all(task.succeeded for task in pool.map(partial(client.tasks.wait, timeout=60), ids))
    assert crowd.most <= 5
