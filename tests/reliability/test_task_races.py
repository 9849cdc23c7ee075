"""Many tenants create tasks, wait for them and transfer files over one client.

No task, key, id or byte of a file reaches another tenant.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from pathlib import Path
from uuid import UUID

import anyio
import pytest
from attrs import define, field
from support.clients import MODES, Mode, run_async
from support.files import PNG, glb
from support.server import Received, answer, envelope, serving

from triverse import AsyncTriverse, Task, Triverse, UploadedFile

WORKERS = 20
ROUNDS = 5
CONNECTIONS = 8

# Read by the key callable of the client.
current_tenant: ContextVar[int] = ContextVar("current_tenant")


def key_of(tenant: int) -> str:
    return f"tv-tenant-{tenant:05}"


@define
class Service:
    """A service in which the id of each task is the number of its tenant."""

    order_ids: list[str] = field(factory=list[str])
    uploads: int = 0
    crossed: int = 0
    lock: threading.Lock = field(factory=threading.Lock)

    def respond(self, received: Received) -> bytes:
        tenant = int(received.header("Authorization").rpartition("-")[2])
        if received.path.endswith("/upload/image"):
            return self.keep(tenant, received.body)
        if "/tasks/download/" in received.path:
            return self.send(tenant, UUID(received.path.rpartition("/")[2]).int)
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

    def keep(self, tenant: int, body: bytes) -> bytes:
        with self.lock:
            self.uploads += 1
            self.crossed += picture_of(tenant) not in body
        return answer(envelope({"file_key": f"tenants/{tenant}"}))

    def send(self, tenant: int, wanted: int) -> bytes:
        with self.lock:
            self.crossed += wanted != tenant
        return answer(model_of(tenant), headers={"Content-Type": "model/gltf-binary"})


def picture_of(tenant: int) -> bytes:
    return PNG + b"\x00of tenant %d." % tenant * 300


def model_of(tenant: int) -> bytes:
    return glb(4_000 + 4 * tenant)


def prompt_of(tenant: int) -> str:
    return f"helmet of {tenant}"


def check(tenant: int, uploaded: UploadedFile, created: Task, finished: Task, path: Path) -> None:
    assert uploaded.file_key == f"tenants/{tenant}"
    assert path.read_bytes() == model_of(tenant)
    assert (created.task_uuid.int, finished.task_uuid.int) == (tenant, tenant)
    assert created.client_order_id == finished.client_order_id


def work(client: Triverse, folder: Path, worker: int) -> None:
    for number in range(ROUNDS):
        tenant = worker * ROUNDS + number
        current_tenant.set(tenant)
        mine = client.with_options(api_key=key_of(tenant)) if number % 2 else client
        uploaded = mine.uploads.image(picture_of(tenant))
        created = mine.tasks.text_to_mesh(prompt_of(tenant))
        finished = mine.tasks.wait(created, timeout=0)
        check(tenant, uploaded, created, finished, mine.tasks.download(finished, folder / f"{tenant}.glb"))


async def async_work(client: AsyncTriverse, folder: Path, worker: int) -> None:
    for number in range(ROUNDS):
        tenant = worker * ROUNDS + number
        current_tenant.set(tenant)
        mine = client.with_options(api_key=key_of(tenant)) if number % 2 else client
        uploaded = await mine.uploads.image(picture_of(tenant))
        created = await mine.tasks.text_to_mesh(prompt_of(tenant))
        finished = await mine.tasks.wait(created, timeout=0)
        check(tenant, uploaded, created, finished, await mine.tasks.download(finished, folder / f"{tenant}.glb"))


def key_of_this_caller() -> str:
    return key_of(current_tenant.get())


def race_threads(url: str, folder: Path) -> None:
    with Triverse(key_of_this_caller, base_url=url, max_connections=CONNECTIONS) as client:
        failures: list[BaseException] = []

        def run(worker: int) -> None:
            try:
                work(client, folder, worker)
            except BaseException as failure:  # noqa: BLE001 - it is raised below
                failures.append(failure)

        threads = [threading.Thread(target=copy_context().run, args=(run, worker)) for worker in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for failure in failures:
            raise failure


async def race_tasks(url: str, folder: Path) -> None:
    async with (
        AsyncTriverse(key_of_this_caller, base_url=url, max_connections=CONNECTIONS) as client,
        anyio.create_task_group() as group,
    ):
        for worker in range(WORKERS):
            group.start_soon(async_work, client, folder, worker)


@pytest.mark.parametrize("mode", MODES)
def test_no_task_no_id_and_no_file_reaches_another_tenant(mode: Mode, tmp_path: Path) -> None:
    service = Service()
    with serving(service.respond) as server:
        race: Callable[[], None] = partial(race_threads, server.url, tmp_path)
        if mode != "sync":
            race = partial(run_async, mode, partial(race_tasks, server.url, tmp_path))
        race()
    assert service.crossed == 0
    assert len(set(service.order_ids)) == service.uploads == WORKERS * ROUNDS
    assert server.most_open <= CONNECTIONS
