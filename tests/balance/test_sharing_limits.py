"""Shared calls of callers with different limits, of closed clients, and of requests of any kind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from support.clients import KEY, MODES, Mode, drive
from support.fake_transport import FakeApi
from support.internals import call_when_woken, waiting_callers
from support.server import BALANCE, Received, answer, envelope, serving

from triverse import (
    AsyncTriverse,
    ConfigurationError,
    DeadlineExceededError,
    Request,
    ServiceUnavailableError,
    Triverse,
    UserBalance,
)
from triverse.core.flow import Emit, Flow
from triverse.core.single_flight import SingleFlight

each_mode = pytest.mark.parametrize("mode", MODES)


def test_a_hasty_leader_does_not_fail_a_patient_waiter() -> None:
    arrived, released = threading.Event(), threading.Event()

    def hold_the_first(received: Received) -> bytes:
        if received.connection == 1:
            arrived.set()
            released.wait(10)
        return answer(envelope(BALANCE))

    with serving(hold_the_first) as server, Triverse(KEY, base_url=server.url) as client, ThreadPoolExecutor(2) as pool:
        hasty = pool.submit(client.with_options(deadline=0.5, max_retries=0).users.balance, max_age=60)
        arrived.wait(10)
        patient = pool.submit(client.users.balance, max_age=60)
        with pytest.raises(DeadlineExceededError, match="attempt 1"):
            hasty.result()
        assert patient.result().total == 125.0
        released.set()
    assert len(server.requests) == 2


def test_a_leader_without_retries_does_not_fail_a_waiter_that_retries() -> None:
    received, released = threading.Event(), threading.Event()

    def hold_and_fail_the_first(_: Received) -> bytes:
        if received.is_set():
            return answer(envelope(BALANCE))
        received.set()
        released.wait(10)
        return answer(b"", 503)

    with (
        serving(hold_and_fail_the_first) as server,
        Triverse(KEY, base_url=server.url) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        no_retries = client.with_options(max_retries=0)
        leader = pool.submit(no_retries.users.balance, max_age=60)
        received.wait(10)
        alike, other = pool.submit(no_retries.users.balance, max_age=60), pool.submit(client.users.balance, max_age=60)
        while waiting_callers(client) < 2:
            pass
        released.set()
        assert isinstance(leader.exception(), ServiceUnavailableError)
        assert isinstance(alike.exception(), ServiceUnavailableError)
        assert other.result().total == 125.0


@pytest.mark.anyio
async def test_a_hasty_async_leader_does_not_fail_a_patient_waiter() -> None:
    api, balances = FakeApi(pause=anyio.sleep_forever), list[UserBalance]()

    async def hurry(client: AsyncTriverse) -> None:
        with pytest.raises(DeadlineExceededError, match="attempt 1"):
            await client.with_options(deadline=0.1).users.balance(max_age=60)
        api.pause = None

    async def wait(client: AsyncTriverse) -> None:
        balances.append(await client.users.balance(max_age=60))

    async with api.async_client() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(hurry, client)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait, client)
        api.script.append(lambda: setattr(api, "pause", None))
    assert balances == [UserBalance(100, 0)]


@each_mode
def test_a_closed_client_does_not_return_cached_balances(mode: Mode) -> None:
    def sync_way(client: Triverse) -> None:
        view = client.with_options(max_retries=0)
        client.users.balance(max_age=60)
        client.close()
        for closed in (client, view):
            with pytest.raises(ConfigurationError, match="closed"):
                closed.users.balance(max_age=60)

    async def async_way(client: AsyncTriverse) -> None:
        view = client.with_options(max_retries=0)
        await client.users.balance(max_age=60)
        await client.aclose()
        for closed in (client, view):
            with pytest.raises(ConfigurationError, match="closed"):
                await closed.users.balance(max_age=60)

    with serving() as server:
        drive(mode, sync_way, async_way, base_url=server.url)


@each_mode
def test_requests_of_any_kind_can_be_shared(mode: Mode) -> None:
    """Each request has its own parameters, which need not be hashable."""
    quotes = [Request("POST", "/quote", dict[str, float], {"a": 1}, {"size": [size]}, safe=True) for size in (1, 2, 1)]

    def sync_way(client: Triverse) -> list[dict[str, float]]:
        return [client._calls.shared(quote, 60) for quote in quotes]  # pyright: ignore[reportPrivateUsage]  # no public method shares these yet

    async def async_way(client: AsyncTriverse) -> list[dict[str, float]]:
        return [await client._calls.shared(quote, 60) for quote in quotes]  # pyright: ignore[reportPrivateUsage]  # no public method shares these yet

    with serving(lambda _: answer(envelope({"cost": 5.0}))) as server:
        assert drive(mode, sync_way, async_way, base_url=server.url) == [{"cost": 5.0}] * 3
    assert [received.body for received in server.requests] == [b'{"size": [1]}', b'{"size": [2]}']


def test_a_caller_that_comes_at_the_end_of_a_shared_call_gets_its_result() -> None:
    """The leader has ended its call and is waking the waiters when another caller comes."""
    received, released, balances = threading.Event(), threading.Event(), list[UserBalance]()

    def hold() -> None:
        received.set()
        released.wait(10)

    api = FakeApi(hold=hold)
    with api.client() as client, ThreadPoolExecutor(1) as pool:
        leader = pool.submit(client.users.balance, max_age=60)
        received.wait(10)
        call_when_woken(client, lambda: balances.append(client.users.balance(max_age=0)))
        released.set()
        assert balances == [leader.result()] * len(balances) == [UserBalance(100, 0)]
    assert api.requests.total() == 1


def test_an_interrupt_at_the_end_of_a_shared_call_leaves_nothing_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    finish, interrupts = SingleFlight[object].finish, iter([KeyboardInterrupt])

    def interrupted_once(*arguments: Any) -> None:
        for interrupt in interrupts:
            raise interrupt
        finish(*arguments)

    monkeypatch.setattr(SingleFlight, "finish", interrupted_once)
    with FakeApi().client(deadline=5) as client:
        with pytest.raises(KeyboardInterrupt):
            client.users.balance(max_age=0)
        assert client.users.balance(max_age=0) == UserBalance(100, 0)


def counting(to: int) -> Flow[int, str]:
    for number in range(to):
        yield Emit(number)
    return "done"


@pytest.mark.anyio
async def test_a_flow_that_ends_ends_the_iteration() -> None:
    with FakeApi().client() as client:
        assert list(client._calls.iterate(counting(3))) == [0, 1, 2]  # pyright: ignore[reportPrivateUsage]  # no public flow ends
        assert client._calls.run(counting(0)) == "done"  # pyright: ignore[reportPrivateUsage]  # no public flow is that simple
    async with FakeApi().async_client() as client:
        assert [number async for number in client._calls.iterate(counting(3))] == [0, 1, 2]  # pyright: ignore[reportPrivateUsage]  # no public flow ends
        assert await client._calls.run(counting(0)) == "done"  # pyright: ignore[reportPrivateUsage]  # no public flow is that simple
