"""A hundred workers call a server with random faults for minutes: `python tests/reliability/test_soak.py [SECONDS]`.

Fails unless every call and every request is accounted for, and memory, sockets and tasks stay level. As a program it
writes docs/evidence/soak.md.
"""

from __future__ import annotations

import gc
import platform
import random
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.clients import MODES, Mode
from support.faulty_server import MIXED, RemoteServer, faulty_server
from support.soak import (
    CONNECTIONS,
    DEADLINE,
    MOST_GROWN,
    MOST_OBJECTS,
    WORKERS,
    Account,
    Part,
    account,
    quarters,
    run,
    stays_level,
)

import triverse
from triverse.core.runtime import Runtime

SEED = 8
USUAL_SECONDS = 180.0
EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence" / "soak.md"


@contextmanager
def soaked(mode: Mode, seconds: float) -> Generator[tuple[Part, Account, RemoteServer]]:
    """Run one client for this long, and yield its records, its account and the server."""
    chance = random.Random(SEED)  # noqa: S311 - seeded, to be reproducible
    runtime = Runtime(time.monotonic, time.time, lambda: chance.random() / 20, str)
    with pytest.MonkeyPatch.context() as patch, faulty_server(SEED) as server:
        patch.setattr("triverse.clients.system.SYSTEM", runtime)
        part = run(mode, server.url, seconds)
        wait_until_closed(server)
        yield part, account(part, server.counts(), server.read()), server


def wait_until_closed(server: RemoteServer) -> None:
    until = time.monotonic() + 10
    while server.counts().open:
        assert time.monotonic() < until, "a connection is left open"
        time.sleep(0.05)


@pytest.mark.parametrize("mode", MODES)
def test_every_call_and_every_request_is_accounted_for(mode: Mode) -> None:
    with soaked(mode, 1.0) as (_, sums, _):
        assert sums.answered
        assert sums.read


# --- As a program --------------------------------------------------------------------------------

HEAD = """# Soak

{workers} workers at a time call a server that causes {faults} different faults at random: first with the sync client,
then on asyncio, then on trio, {seconds:.0f} s in total. A client has {connections} connections; each call has
{deadline:.0f} s and two retries. `tests/reliability/test_soak.py` writes this page, and fails unless everything below
holds.

{date}; triverse {triverse}, Python {python}, httpx {httpx}, anyio {anyio}, trio {trio}, {system}.
"""

CALLS = """
## Every call is accounted for

Each call that was **started** was **answered** with the right value, or **failed** with a `TriverseError`. No call
raised anything else, and no response belonged to another attempt.

| client | started | answered | failed | with |
|---|---|---|---|---|
{rows}"""

REQUESTS = """
## Every request is accounted for

Each attempt has its own key, so the server knows which attempts it has read. The client's **attempts** are the sum of
the requests that the server **read**, the connections that it closed **unread**, and the attempts whose deadline
**expired** before they were sent. It read none twice.

| client | attempts | read | unread | expired |
|---|---|---|---|---|
{rows}"""

LEVEL = """
## Memory, sockets and tasks do not grow

Sampled twice a second: resident memory, allocated blocks of Python, open sockets, and tasks or threads, **before**
the client is made, at **most** while it works, and **after** it is closed. Of memory and blocks the table has the
minimum in the second **quarter** of the time and in the **last**, because responses of 8 MiB come and go. The last
may be {most:.0f} MiB and {objects:,} blocks more. glibc has one arena for all threads (`MALLOC_ARENA_MAX=1`) and
returns free memory before each sample. At the end the server sees no open connection.

| client | connections | sockets before, most, after | tasks, as well | MiB quarter, last | blocks, as well |
|---|---|---|---|---|---|
{rows}"""


def write_evidence(seconds: float) -> None:
    """Run each client for a third of the time, and write the page."""
    calls, requests, level = list[str](), list[str](), list[str]()
    for mode in MODES:
        gc.collect()
        with soaked(mode, seconds / len(MODES)) as (part, sums, server):
            stays_level(part)
            calls.append(_row(mode, sums.started, sums.answered, sums.failed, _kinds(part)))
            requests.append(_row(mode, sums.attempts, sums.read, sums.unread, sums.expired))
            level.append(_level_row(part, server.counts().connections))
    tables = ((CALLS, calls), (REQUESTS, requests), (LEVEL, level))
    bounds = {"most": MOST_GROWN, "objects": MOST_OBJECTS}
    EVIDENCE.write_text(_head(seconds) + "".join(text.format(rows="".join(rows), **bounds) for text, rows in tables))


def _head(seconds: float) -> str:
    return HEAD.format(
        workers=WORKERS,
        faults=len(MIXED),
        seconds=seconds,
        connections=CONNECTIONS,
        deadline=DEADLINE,
        date=datetime.now(UTC).date().isoformat(),
        triverse=triverse.__version__,
        python=platform.python_version(),
        system=platform.system(),
        **{name: version(name) for name in ("httpx", "anyio", "trio")},
    )


def _row(*cells: object) -> str:
    return f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells)} |\n"


def _kinds(part: Part) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in part.outcomes.most_common() if name != "answered")


def _level_row(part: Part, connections: int) -> str:
    before, *during, after = part.samples
    sockets = f"{before.sockets}, {max(s.sockets for s in during)}, {after.sockets}"
    running = f"{before.running}, {max(s.running for s in during)}, {after.running}"
    second, last = quarters(part)
    memory = f"{second.memory:.1f}, {last.memory:.1f}"
    return _row(part.mode, connections, sockets, running, memory, f"{second.blocks}, {last.blocks}")


if __name__ == "__main__":
    write_evidence(float(sys.argv[1]) if len(sys.argv) > 1 else USUAL_SECONDS)
