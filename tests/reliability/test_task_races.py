"""Many tenants create tasks and wait for them over one client: no task, key or id reaches another tenant."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from uuid import UUID

import anyio
import pytest
from attrs import define, field
from support.clients import MODES, Mode, run_async
from support.server import Received, answer, envelope, serving

from triverse import AsyncTriverse, Task, Triverse

WORKERS = 20
ROUNDS = 5
CONNECTIONS = 8

# Who asks, for a client whose key comes from a callable.
asking: ContextVar[int] = ContextVar("asking")


def key_of(tenant: int) -> str:
    return f"tv-tenant-{tenant:05}"


@define
class Service:
    """The id of each task is the number of its tenant."""

    order_ids: list[str] = field(factory=list[str])
    crossed: int = 0
    lock: threading.Lock = field(factory=threading.Lock)

    def respond(self, received: Received) -> bytes:
        tenant = int(received.header("Authorization").rpartition("-")[2])
        if received.method == "POST":
            body = json.loads(received.body)
            wanted = int(body["prompt"].rpartition(" ")[2])
            with self.lock:
                self.order_ids.append(body["client_order_id"])
        else:
            wanted = UUID(received.path.rpartition("/")[2]).int
        with self.lock:
            self.crossed += wanted != tenant
        return answer(envelope({"task_uuid": str(UUID(int=tenant)), "status": "SUCCESS"}))


def prompt_of(tenant: int) -> str:
    return f"helmet of {tenant}"


def check(tenant: int, created: Task, finished: Task) -> None:
    assert (created.task_uuid.int, finished.task_uuid.int) == (tenant, tenant)
    assert created.client_order_id == finished.client_order_id


def work(client: Triverse, worker: int) -> None:
    for number in range(ROUNDS):
        tenant = worker * ROUNDS + number
        asking.set(tenant)
        mine = client.with_options(api_key=key_of(tenant)) if number % 2 else client
        created = mine.tasks.text_to_mesh(prompt_of(tenant))
        check(tenant, created, mine.tasks.wait(created, timeout=0))


async def async_work(client: AsyncTriverse, worker: int) -> None:
    for number in range(ROUNDS):
        tenant = worker * ROUNDS + number
        asking.set(tenant)
        mine = client.with_options(api_key=key_of(tenant)) if number % 2 else client
        created = await mine.tasks.text_to_mesh(prompt_of(tenant))
        check(tenant, created, await mine.tasks.wait(created, timeout=0))


def key_of_this_caller() -> str:
    return key_of(asking.get())


def race_threads(url: str) -> None:
    with Triverse(key_of_this_caller, base_url=url, max_connections=CONNECTIONS) as client:
        failures: list[BaseException] = []

        def run(worker: int) -> None:
            try:
                work(client, worker)
            except BaseException as failure:  # noqa: BLE001 - it is raised below
                failures.append(failure)

        threads = [threading.Thread(target=copy_context().run, args=(run, worker)) for worker in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for failure in failures:
            raise failure


async def race_tasks(url: str) -> None:
    async with (
        AsyncTriverse(key_of_this_caller, base_url=url, max_connections=CONNECTIONS) as client,
        anyio.create_task_group() as group,
    ):
        for worker in range(WORKERS):
            group.start_soon(async_work, client, worker)


@pytest.mark.parametrize("mode", MODES)
def test_no_task_and_no_id_crosses_between_tenants(mode: Mode) -> None:
    service = Service()
    with serving(service.respond) as server:
        race: Callable[[], None] = partial(race_threads, server.url)
        if mode != "sync":
            race = partial(run_async, mode, partial(race_tasks, server.url))
        race()
    assert service.crossed == 0
    assert len(set(service.order_ids)) == WORKERS * ROUNDS
    assert server.most_open <= CONNECTIONS
