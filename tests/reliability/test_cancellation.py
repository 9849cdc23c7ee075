"""A call that is cancelled at any of its waits leaves no connection, permit or task behind.

Each scenario runs repeatedly: it is cancelled at its first wait, then at its second, and so on, until it ends before
the wait is reached.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import anyio
import httpx
import pytest
import trio
from anyio.lowlevel import checkpoint
from support.cancel_scenarios import (
    RIGHT,
    SCENARIOS,
    SCRIPTS,
    TASK_SCENARIOS,
    Call,
    Scenario,
    closing,
    first_call,
    silent_at_first,
)
from support.cancellation import CANCEL_METHODS, MESSAGE, CancelMethod, cancelled_at
from support.clients import KEY, UVLOOP
from support.internals import idle_connections, loop_states, max_connections_of, permits
from support.server import Script, Server, serving
from support.tls import server_context, trust

from triverse import AsyncTriverse
from triverse.core.runtime import Runtime


class Options(TypedDict, total=False):
    max_connections: int


class MakeClient(Protocol):
    def __call__(self, server: Server, **options: Unpack[Options]) -> AbstractAsyncContextManager[AsyncTriverse]: ...


def name_of(value: object) -> str:
    return getattr(value, "__name__", "")


each_way = pytest.mark.parametrize(
    ("anyio_backend", "way"),
    [pytest.param(loop, way, id=f"{loop}, {way}") for loop in CANCEL_METHODS for way in CANCEL_METHODS[loop]],
)


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(time.monotonic, time.time, lambda: 0.004, str)
    monkeypatch.setattr("triverse.clients.system.SYSTEM", runtime)
    monkeypatch.setattr("triverse.api.tasks.schedule._SHORT_WAIT_GAP", 0.004)


@pytest.fixture(autouse=True)
def _nothing_for_the_garbage_collector() -> Generator[None]:
    """Collect garbage after each test, so that unclosed sockets and async generators raise a warning in it."""
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()


def tasks() -> int:
    """Return the number of tasks in this event loop."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


async def tasks_end(left: int) -> None:
    """Let the event loop run until this number of tasks is left."""
    for _ in range(100):
        if tasks() == left:
            break
        await checkpoint()
    assert tasks() == left


async def nothing_is_left(client: AsyncTriverse, server: Server) -> None:
    """Check that all permits are free, and that the only open connections are idle ones."""
    idle: int | None = None
    for state in loop_states(client):
        assert permits(state) == (max_connections_of(client), 0)
        idle = idle_connections(state)
    assert idle is None or await anyio.to_thread.run_sync(partial(server.settled, still_open=idle))


@asynccontextmanager
async def own_client(server: Server, **options: Unpack[Options]) -> AsyncGenerator[AsyncTriverse]:
    async with AsyncTriverse(KEY, base_url=server.url, max_retries=1, **options) as client:
        yield client


@asynccontextmanager
async def borrowed_client(server: Server, **options: Unpack[Options]) -> AsyncGenerator[AsyncTriverse]:
    async with (
        httpx.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as http,
        AsyncTriverse(KEY, base_url=server.url, max_retries=1, http_client=http, **options) as client,
    ):
        yield client


async def cancelled_everywhere(
    server: Server, way: CancelMethod, scenario: Scenario, make: MakeClient = own_client, **options: Unpack[Options]
) -> int:
    """Run the scenario, cancelled at one wait after another. Return the number of waits."""
    before = tasks()
    for number in itertools.count(1):
        async with make(server, **options) as client:
            ending = await scenario(client, partial(cancelled_at, number, way))
            # A result that is already there may be returned in spite of the cancellation.
            assert ending.cancelled or ending.value == RIGHT
            assert not ending.cancelled or make is not own_client or ending.message == MESSAGE
            await tasks_end(before)
            await nothing_is_left(client, server)
            if not client._engine.closed:  # pyright: ignore[reportPrivateUsage]  # not public
                assert await client.users.balance() == RIGHT
        if make is own_client:
            assert await anyio.to_thread.run_sync(server.settled)
        if not ending.reached:
            return number - 1
    raise AssertionError


@each_way
@pytest.mark.parametrize(("scenario", "most"), SCENARIOS, ids=name_of)
@pytest.mark.anyio
async def test_a_call_that_is_cancelled_at_any_wait_leaves_nothing(
    way: CancelMethod, scenario: Scenario, most: int
) -> None:
    with serving() as server:
        assert await cancelled_everywhere(server, way, scenario, max_connections=most)


@each_way
@pytest.mark.parametrize(("scenario", "most"), SCENARIOS[:4], ids=name_of)
@pytest.mark.anyio
async def test_a_call_over_tls_that_is_cancelled_at_any_wait_leaves_nothing(
    way: CancelMethod, scenario: Scenario, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path)
    with serving(tls=server_context()) as server:
        assert await cancelled_everywhere(server, way, scenario, max_connections=most)


@each_way
@pytest.mark.anyio
async def test_a_cancelled_aclose_still_closes_the_client(way: CancelMethod, anyio_backend: str) -> None:
    with serving() as server:
        waits = await cancelled_everywhere(server, way, closing)
    # asyncio's sockets close at once.
    assert bool(waits) == (anyio_backend == "trio")


@each_way
@pytest.mark.parametrize(("script", "scenario"), SCRIPTS, ids=name_of)
@pytest.mark.anyio
async def test_a_call_to_a_faulty_server_that_is_cancelled_leaves_nothing(
    way: CancelMethod, script: Script, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triverse.transport.outcomes.MAX_BODY_BYTES", 300_000)
    monkeypatch.setattr("triverse.core.response_body.MAX_BODY_BYTES", 300_000)
    with Server(script) as server:
        assert await cancelled_everywhere(server, way, scenario)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@each_way
@pytest.mark.parametrize("scenario", [first_call, *TASK_SCENARIOS], ids=name_of)
@pytest.mark.anyio
async def test_a_cancelled_call_with_an_http_client_of_the_users_leaves_nothing(
    way: CancelMethod, scenario: Scenario
) -> None:
    """Only our own resources are checked: with some versions of anyio the user's client loses a connection."""
    with serving() as server:
        assert await cancelled_everywhere(server, way, scenario, borrowed_client)
    gc.collect()


# --- Ways to cancel -------------------------------------------------------------------------------------


async def by_anyio(call: Call) -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(0.02):
        await call()


async def by_asyncio_timeout(call: Call) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await call()


async def by_wait_for(call: Call) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(), 0.02)


async def by_a_sibling(call: Call) -> None:
    """A task group cancels the others when one of them fails."""

    async def fail() -> None:
        await asyncio.sleep(0.02)
        raise LookupError

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(call())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


async def by_trio(call: Call) -> None:
    with pytest.raises(trio.TooSlowError), trio.fail_after(0.02):
        await call()


@pytest.mark.parametrize(
    ("anyio_backend", "cancel"),
    [
        ("asyncio", by_anyio),
        ("asyncio", by_asyncio_timeout),
        ("asyncio", by_wait_for),
        ("asyncio", by_a_sibling),
        ("trio", by_anyio),
        ("trio", by_trio),
        (UVLOOP, by_anyio),
        (UVLOOP, by_asyncio_timeout),
        (UVLOOP, by_wait_for),
        (UVLOOP, by_a_sibling),
    ],
    ids=name_of,
)
@pytest.mark.anyio
async def test_the_canceller_gets_its_own_error_and_the_next_call_works(
    cancel: Callable[[Call], Awaitable[None]],
) -> None:
    with Server(silent_at_first) as server:
        async with own_client(server, max_connections=1) as client:
            await cancel(client.users.balance)
            assert await client.users.balance() == RIGHT
            await nothing_is_left(client, server)
    assert server.connections == 2
