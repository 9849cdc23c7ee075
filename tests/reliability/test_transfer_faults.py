"""Each fault of a transfer ends in the whole file or one of our errors, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from support.clients import KEY, Mode, run_async
from support.server import BALANCE, Peer, Script, Server, answer, envelope
from support.transfer_faults import FAULTS, FILE, TIMEOUT, Fault

from triverse import AsyncTriverse, Triverse, TriverseError
from triverse.core.runtime import Runtime

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
# Larger than the buffers of a connection.
LARGE = FILE + bytes(8_000_000)
Outcome: TypeAlias = str


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(time.monotonic, time.time, lambda: 0.0, lambda: "id")
    monkeypatch.setattr("triverse.clients.system.SYSTEM", runtime)


def script(fault: Fault) -> Script:
    def play(peer: Peer) -> None:
        while (received := peer.request(whole=fault.whole)) is not None:
            if received.path.endswith("/users/balance"):
                peer.send(answer(envelope(BALANCE)))
            elif not fault.act(peer, received):
                break

    return play


def download(client: Any, to: Path, timeout: float | None) -> Any:
    return client.tasks.download(TASK, to / "x.glb", timeout=timeout)


def stream(client: Any, to: Path, timeout: float | None) -> Any:  # noqa: ARG001 - as the others
    if isinstance(client, Triverse):
        with client.tasks.stream(TASK, timeout=timeout) as reading:
            return reading.read()

    async def read() -> bytes:
        async with client.tasks.stream(TASK, timeout=timeout) as reading:
            content: bytes = await reading.read()
            return content

    return read()


def upload(client: Any, to: Path, timeout: float | None) -> Any:  # noqa: ARG001 - as the others
    return client.uploads.model(FILE, timeout=timeout)


def large_upload(client: Any, to: Path, timeout: float | None) -> Any:  # noqa: ARG001 - as the others
    return client.uploads.model(LARGE, timeout=timeout)


WORK: dict[str, Callable[[Any, Path, float | None], Any]] = {
    "download": download,
    "stream": stream,
    "upload": upload,
}


def sync_outcome(work: Callable[[Any], Any], server: Server, *, users: bool) -> Outcome:
    http = httpx.Client(limits=httpx.Limits(max_connections=1)) if users else None
    with Triverse(KEY, base_url=server.url, max_retries=1, max_connections=1, http_client=http) as client:
        try:
            result = work(client)
            outcome = "" if _is_whole(result) else "not whole"
        except TriverseError as error:
            outcome = type(error).__name__
        assert client.users.balance().total == 125
    if http is not None:
        http.close()
    return outcome


async def async_outcome(work: Callable[[Any], Any], server: Server, *, users: bool) -> Outcome:
    http = httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) if users else None
    async with AsyncTriverse(KEY, base_url=server.url, max_retries=1, max_connections=1, http_client=http) as client:
        try:
            result = await work(client)
            outcome = "" if _is_whole(result) else "not whole"
        except TriverseError as error:
            outcome = type(error).__name__
        assert (await client.users.balance()).total == 125
    if http is not None:
        await http.aclose()
    return outcome


def _is_whole(result: object) -> bool:
    content = result.read_bytes() if isinstance(result, Path) else result
    return not isinstance(content, bytes) or content == FILE


CLIENTS: dict[str, list[tuple[Mode, bool]]] = {
    "download": [("sync", False), ("asyncio", True), ("trio", True)],
    "stream": [("trio", True)],
    "upload": [("sync", False), ("asyncio", False), ("trio", True)],
}
CASES = [
    (fault, work, mode, users)
    for fault in FAULTS
    for work, clients in CLIENTS.items()
    if (fault.upload if work == "upload" else fault.download) is not None
    for mode, users in clients
]


@pytest.mark.parametrize(("fault", "work", "mode", "users"), CASES, ids=lambda value: getattr(value, "name", None))
def test_a_fault_of_a_transfer_leaves_nothing_behind(
    fault: Fault,
    work: str,
    mode: Mode,
    users: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    run, timeout = WORK[work] if fault.whole else large_upload, TIMEOUT if fault.hangs else None

    def act(client: Any) -> Any:
        return run(client, tmp_path, timeout)

    with Server(script(fault)) as server:
        if mode == "sync":
            outcome = sync_outcome(act, server, users=users)
        else:
            outcome = run_async(mode, partial(async_outcome, act, server, users=users))
        assert server.settled()
        attempts = len(server.requests) - 1
    assert outcome == (fault.upload if work == "upload" else fault.download)
    assert fault.attempts in {0, attempts}
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [FILE] * (outcome == "" and work == "download")
