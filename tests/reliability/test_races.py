"""Many tenants share one pool: no request carries the key of another tenant, and no response reaches another one.

`python tests/reliability/test_races.py [CALLS]` makes many more calls, and writes docs/evidence/races.md.
"""

from __future__ import annotations

import platform
import random
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import anyio
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.clients import MODES, Mode, run_async
from support.tenant_server import Counts, key_of, tenant_server

import triverse
from triverse import AsyncTriverse, Triverse

TENANTS = 500
WORKERS = 50
CONNECTIONS = 20
USUAL_CALLS = 120_000

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
PAGE = "races-free-threaded.md" if FREE_THREADED else "races.md"
EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence" / PAGE

# Read by the key callable of the client.
current_tenant: ContextVar[int] = ContextVar("current_tenant")


def key_of_this_caller() -> str:
    return key_of(current_tenant.get())


def choose(seed: int, calls: int) -> list[tuple[int, bool]]:
    """Return the tenant of each call, and whether it is made by a view or by the client with the key callable."""
    chance = random.Random(seed)  # noqa: S311 - seeded, to be reproducible
    return [(chance.randrange(TENANTS), chance.random() < 0.5) for _ in range(calls)]


def work(client: Triverse, seed: int, calls: int, wrong: list[int]) -> None:
    for tenant, by_view in choose(seed, calls):
        current_tenant.set(tenant)
        mine = client.with_options(api_key=key_of(tenant)) if by_view else client
        if mine.request("GET", f"/tenants/{tenant}", into=int) != tenant:
            wrong.append(tenant)


async def async_work(client: AsyncTriverse, seed: int, calls: int, wrong: list[int]) -> None:
    for tenant, by_view in choose(seed, calls):
        current_tenant.set(tenant)
        mine = client.with_options(api_key=key_of(tenant)) if by_view else client
        if await mine.request("GET", f"/tenants/{tenant}", into=int) != tenant:
            wrong.append(tenant)


def race_threads(url: str, calls: int) -> list[int]:
    wrong: list[int] = []
    with Triverse(key_of_this_caller, base_url=url, max_connections=CONNECTIONS) as client:
        threads = [
            threading.Thread(target=copy_context().run, args=(work, client, seed, calls, wrong))
            for seed in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return wrong


async def race_tasks(url: str, calls: int) -> list[int]:
    wrong: list[int] = []
    async with (
        AsyncTriverse(key_of_this_caller, base_url=url, max_connections=CONNECTIONS) as client,
        anyio.create_task_group() as group,
    ):
        for seed in range(WORKERS):
            group.start_soon(async_work, client, seed, calls, wrong)
    return wrong


def race(mode: Mode, calls: int) -> tuple[int, Counts]:
    """Let each worker make this number of calls. Return the number of wrong responses, and the server's counts."""
    with tenant_server() as server:
        run: Callable[[], list[int]] = {
            "sync": lambda: race_threads(server.url, calls),
        }.get(mode, lambda: run_async(mode, lambda: race_tasks(server.url, calls)))
        wrong = run()
        return len(wrong), server.tally()


@pytest.mark.parametrize("mode", MODES)
def test_no_key_and_no_response_reaches_another_tenant(mode: Mode) -> None:
    wrong, tally = race(mode, 30)
    assert (wrong, tally.crossed, tally.requests) == (0, 0, 30 * WORKERS)


# --- As a program --------------------------------------------------------------------------------

HEAD = """# Races

{workers} workers share one client with {connections} connections and call for {tenants} random tenants: half of the
calls with `with_options(api_key=…)`, half with a client whose `api_key` callable returns the key of the current
tenant. Each request names its tenant, so the server counts keys that have **crossed**. Each response names the owner
of the key, so the client counts **wrong** responses. `tests/reliability/test_races.py` writes this page, and fails if
there is one of either.

{date}; triverse {triverse}, {python}, httpx {httpx}, anyio {anyio}, trio {trio}, {system}.

| client | calls | crossed | wrong | seconds |
|---|---|---|---|---|
"""


def write_evidence(calls: int) -> None:
    """Race each client for a third of the calls, and write the table."""
    each = -(-calls // len(MODES) // WORKERS)
    lines = [
        HEAD.format(
            workers=WORKERS,
            connections=CONNECTIONS,
            tenants=TENANTS,
            date=datetime.now(UTC).date().isoformat(),
            triverse=triverse.__version__,
            python=f"Python {platform.python_version()}, {'free-threaded' if FREE_THREADED else 'with the GIL'}",
            system=platform.system(),
            **{name: version(name) for name in ("httpx", "anyio", "trio")},
        )
    ]
    for mode in MODES:
        started = time.monotonic()
        wrong, tally = race(mode, each)
        assert (wrong, tally.crossed, tally.requests) == (0, 0, each * WORKERS), (mode, wrong, tally)
        seconds = time.monotonic() - started
        lines.append(f"| {mode} | {tally.requests:,} | {tally.crossed} | {wrong} | {seconds:.0f} |\n")
    EVIDENCE.write_text("".join(lines))


if __name__ == "__main__":
    write_evidence(int(sys.argv[1]) if len(sys.argv) > 1 else USUAL_CALLS)
