from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
from support.clients import KEY
from support.fake_transport import BASE_URL, FakeApi
from support.internals import waiting_callers
from support.server import BALANCE, Received, answer, envelope, serving

from triverse import (
    AsyncTriverse,
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    ServiceUnavailableError,
    Triverse,
    UserBalance,
)
from triverse.core.single_flight import CachedResult, PendingCall, SingleFlight

TWO = {"key-of-one": (1.0, 0.0), "key-of-two": (2.0, 0.0)}


def until(happened: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.001)


# --- Threads -------------------------------------------------------------------------------------


def test_calls_without_max_age_share_nothing() -> None:
    api = FakeApi()
    with api.client() as client:
        client.users.balance(max_age=60)
        client.users.balance()
        client.users.balance()
    assert api.requests.total() == 3


def test_a_result_is_reused_while_it_is_young_enough() -> None:
    api = FakeApi()
    api.script.extend([(100, 0), (90, 0), (80, 0)])
    with api.client() as client:
        assert client.users.balance(max_age=60).balance == 100
        assert client.users.balance(max_age=60).balance == 100
        time.sleep(0.02)
        assert client.users.balance(max_age=0.01).balance == 90
        time.sleep(0.001)
        assert client.users.balance(max_age=0).balance == 80
        assert client.users.balance(max_age=60).balance == 80


def test_callers_share_by_key_and_not_by_client() -> None:
    api = FakeApi(TWO)
    with api.client() as client:
        others = client.with_options(api_key="key-of-two")
        assert client.users.balance(max_age=60).balance == 1
        assert others.users.balance(max_age=60).balance == 2
        assert client.with_options(timeout=3).users.balance(max_age=60).balance == 1
        assert client.with_options(api_key="key-of-two").users.balance(max_age=60).balance == 2
    assert api.requests == {"key-of-one": 1, "key-of-two": 1}


def test_concurrent_threads_share_one_request() -> None:
    callers, ready = 40, threading.Event()
    api = FakeApi(hold=ready.wait)
    with api.client() as client, ThreadPoolExecutor(callers) as pool:
        answers = [pool.submit(client.users.balance, max_age=60) for _ in range(callers)]
        until(lambda: api.requests.total() == 1)
        ready.set()
        assert {answer.result() for answer in answers} == {UserBalance(100, 0)}
    assert api.requests.total() == 1


def test_an_error_goes_to_all_waiting_threads_and_is_not_kept() -> None:
    callers, ready = 8, threading.Barrier(2)
    api = FakeApi(hold=ready.wait)
    api.script.append(503)
    with api.client() as client, ThreadPoolExecutor(callers) as pool:
        calls = [pool.submit(client.users.balance, max_age=60) for _ in range(callers)]
        until(lambda: waiting_callers(client) == callers - 1)
        ready.wait()
        errors = [call.exception() for call in calls]
        api.hold = None
        assert client.users.balance(max_age=60).balance == 100
    assert {type(error) for error in errors} == {ServiceUnavailableError}
    assert len({id(error) for error in errors}) == callers
    assert api.requests.total() == 2


def test_an_interrupted_leader_is_replaced_by_a_waiter() -> None:
    def interrupt() -> None:
        asking.set()
        gone.wait()
        raise KeyboardInterrupt

    asking, gone = threading.Event(), threading.Event()
    api = FakeApi()
    api.script.append(interrupt)
    with api.client() as client, ThreadPoolExecutor(2) as pool:
        interrupted = pool.submit(client.users.balance, max_age=60)
        asking.wait()
        patient = pool.submit(client.users.balance, max_age=60)
        until(lambda: waiting_callers(client) == 1)
        gone.set()
        assert patient.result().balance == 100
        assert isinstance(interrupted.exception(), KeyboardInterrupt)


def test_a_waiting_thread_keeps_its_own_deadline() -> None:
    ready = threading.Event()
    api = FakeApi(hold=ready.wait)
    with api.client() as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.users.balance, max_age=60)
        until(lambda: api.requests.total() == 1)
        with pytest.raises(DeadlineExceededError, match="another caller"):
            client.with_options(deadline=0.02).users.balance(max_age=60)
        ready.set()
        assert slow.result().balance == 100
        assert client.with_options(deadline=None).users.balance(max_age=60).balance == 100


def test_a_callable_is_called_once_and_shared_by_the_key_it_returns() -> None:
    api = FakeApi(TWO)
    tenants = iter(["key-of-one", "key-of-two", "key-of-one"])
    with api.client(lambda: next(tenants)) as client:
        assert client.users.balance(max_age=60).balance == 1
        assert client.users.balance(max_age=60).balance == 2
        assert client.users.balance(max_age=60).balance == 1
    assert api.requests == {"key-of-one": 1, "key-of-two": 1}


def test_after_a_401_the_callable_is_called_once_more() -> None:
    api = FakeApi(TWO)
    with api.client(iter(["expired-key", "key-of-two"]).__next__) as client:
        assert client.users.balance(max_age=60).balance == 2
    with api.client(lambda: "expired-key") as client, pytest.raises(AuthenticationError):
        client.users.balance(max_age=60)
    assert api.requests == {"expired-key": 2, "key-of-two": 1}


@pytest.mark.parametrize("max_age", [-1, math.nan, math.inf, 10**400, True])
def test_an_invalid_max_age_is_a_configuration_error(max_age: float) -> None:
    with Triverse("key-of-one") as client, pytest.raises(ConfigurationError, match="max_age"):
        client.users.balance(max_age=max_age)


def test_a_forked_child_does_not_wait_for_a_request_of_its_parent() -> None:
    received, done = threading.Event(), threading.Event()

    def hold_the_first(_: Received) -> bytes:
        if not received.is_set():
            received.set()
            done.wait(10)
        return answer(envelope(BALANCE))

    with serving(hold_the_first) as server, Triverse(KEY, base_url=server.url) as client, ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.users.balance, max_age=60)
        received.wait(10)
        pid = os.fork()
        if not pid:
            status = 1
            try:
                status = int(client.users.balance(max_age=60).balance != 100)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        done.set()
        assert call.result().balance == 100


# --- Tasks ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_thousand_concurrent_tasks_share_one_request() -> None:
    api, answers = FakeApi(), list[UserBalance]()

    async def ask() -> None:
        answers.append(await client.users.balance(max_age=60))

    async with api.async_client() as client, anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(ask)
    assert answers == [UserBalance(100, 0)] * 1000
    assert api.requests.total() == 1


@pytest.mark.anyio
async def test_tasks_share_by_key_and_by_age() -> None:
    api = FakeApi(TWO)
    async with api.async_client() as client:
        others = client.with_options(api_key="key-of-two")
        assert (await client.users.balance(max_age=60)).balance == 1
        assert (await others.users.balance(max_age=60)).balance == 2
        assert (await client.users.balance(max_age=60)).balance == 1
        await anyio.sleep(0.02)
        assert (await client.users.balance(max_age=0.01)).balance == 1
        assert (await client.users.balance()).balance == 1
    assert api.requests == {"key-of-one": 3, "key-of-two": 1}


@pytest.mark.anyio
async def test_an_error_goes_to_all_waiting_tasks_and_is_not_kept() -> None:
    api, errors = FakeApi(), list[ServiceUnavailableError]()
    api.script.append(503)

    async def fail() -> None:
        with pytest.raises(ServiceUnavailableError) as caught:
            await client.users.balance(max_age=60)
        errors.append(caught.value)

    async with api.async_client() as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(fail)
        assert (await client.users.balance(max_age=60)).balance == 100
    assert len({id(error) for error in errors}) == 8
    assert api.requests.total() == 2


@pytest.mark.anyio
async def test_a_cancelled_leader_is_replaced_by_a_waiting_task() -> None:
    api, answers = FakeApi(pause=anyio.Event().wait), list[UserBalance]()

    async def ask() -> None:
        answers.append(await client.users.balance(max_age=60))

    async def ask_and_leave(*, task_status: anyio.abc.TaskStatus[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:
            task_status.started(scope)
            await client.users.balance(max_age=60)

    async with api.async_client() as client, anyio.create_task_group() as tasks:
        leader = await tasks.start(ask_and_leave)
        await anyio.wait_all_tasks_blocked()
        waiter = await tasks.start(ask_and_leave)
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert api.requests.total() == 1
        waiter.cancel()
        await anyio.wait_all_tasks_blocked()
        api.pause = None
        leader.cancel()
    assert answers == [UserBalance(100, 0)] * 2
    assert api.requests.total() == 2


@pytest.mark.anyio
async def test_a_waiting_task_keeps_its_own_deadline() -> None:
    api = FakeApi(pause=anyio.Event().wait)
    async with api.async_client() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.users.balance(max_age=60))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(DeadlineExceededError, match="another caller"):
            await client.with_options(deadline=0.02).users.balance(max_age=60)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_an_async_callable_is_called_once_and_again_after_a_401() -> None:
    api = FakeApi(TWO)
    keys = iter(["key-of-one", "key-of-two", "expired-key", "key-of-one", "expired-key", "expired-key"])

    async def key() -> str:
        await anyio.lowlevel.checkpoint()
        return next(keys)

    async with api.async_client(key) as client:
        assert (await client.users.balance(max_age=60)).balance == 1
        assert (await client.users.balance(max_age=60)).balance == 2
        assert (await client.users.balance(max_age=60)).balance == 1
        with pytest.raises(AuthenticationError):
            await client.users.balance(max_age=60)
    assert api.requests == {"key-of-one": 1, "key-of-two": 1, "expired-key": 2}


def test_each_event_loop_shares_on_its_own() -> None:
    api = FakeApi()
    http_client = httpx.AsyncClient(transport=httpx.MockTransport(api.respond_paused))
    client = AsyncTriverse("key-of-one", base_url=BASE_URL, http_client=http_client)

    async def ask_twice() -> None:
        await client.users.balance(max_age=60)
        await client.users.balance(max_age=60)

    anyio.run(ask_twice)
    anyio.run(ask_twice)
    assert api.requests.total() == 2


def test_only_the_results_of_the_latest_1024_keys_are_kept() -> None:
    flight: SingleFlight[int] = SingleFlight()
    for number in range(5000):
        finish(flight, number, CachedResult(number, at=float(number)))
    kept = [number for number in range(5000) if flight.get_fresh(number, max_age=9999, now=5000)]
    assert kept == list(range(5000 - 1024, 5000))


def test_a_key_that_is_requested_again_counts_as_a_late_one() -> None:
    flight: SingleFlight[int] = SingleFlight()
    for number in (*range(1024), 0, 1024):
        finish(flight, number, CachedResult(number, at=0.0))
    assert flight.get_fresh(0, max_age=1, now=0.0)
    assert not flight.get_fresh(1, max_age=1, now=0.0)


def test_a_result_is_fresh_up_to_max_age() -> None:
    flight: SingleFlight[int] = SingleFlight()
    finish(flight, "key", CachedResult(7, at=1000.0))
    assert flight.get_fresh("key", max_age=5.0, now=1005.0)
    assert not flight.get_fresh("key", max_age=5.0, now=1005.1)


def finish(flight: SingleFlight[int], key: object, result: CachedResult[int]) -> None:
    call: PendingCall[int] = PendingCall()
    assert flight.join(key, call) is call
    call.outcome = result
    flight.finish(key, call)
