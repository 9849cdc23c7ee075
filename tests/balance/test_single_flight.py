from __future__ import annotations

import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
from support.clients import KEY
from support.fake_transport import BASE_URL, Bank
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
from triverse.core.single_flight import CachedResult, SingleFlight

WAITING = "if not pending.done.wait("
TWO = {"key-of-one": (1.0, 0.0), "key-of-two": (2.0, 0.0)}


def until(happened: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.001)


def waiting() -> int:
    """How many threads wait for another's request."""
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # documented, for debugging
    return sum(WAITING in "".join(traceback.format_stack(frame)) for frame in frames.values())


# --- Threads -------------------------------------------------------------------------------------


def test_nothing_is_shared_unless_asked_for() -> None:
    bank = Bank()
    with bank.client() as client:
        client.users.balance(max_age=60)
        client.users.balance()
        client.users.balance()
    assert bank.asked.total() == 3


def test_an_answer_serves_again_while_it_is_young_enough() -> None:
    bank = Bank()
    bank.script.extend([(100, 0), (90, 0), (80, 0)])
    with bank.client() as client:
        assert client.users.balance(max_age=60).balance == 100
        assert client.users.balance(max_age=60).balance == 100
        time.sleep(0.02)
        assert client.users.balance(max_age=0.01).balance == 90
        time.sleep(0.001)
        assert client.users.balance(max_age=0).balance == 80
        assert client.users.balance(max_age=60).balance == 80


def test_two_tenants_never_share_and_two_views_with_one_key_do() -> None:
    bank = Bank(TWO)
    with bank.client() as client:
        others = client.with_options(api_key="key-of-two")
        assert client.users.balance(max_age=60).balance == 1
        assert others.users.balance(max_age=60).balance == 2
        assert client.with_options(timeout=3).users.balance(max_age=60).balance == 1
        assert client.with_options(api_key="key-of-two").users.balance(max_age=60).balance == 2
    assert bank.asked == {"key-of-one": 1, "key-of-two": 1}


def test_threads_that_ask_at_once_share_one_request() -> None:
    callers, ready = 40, threading.Event()
    bank = Bank(hold=ready.wait)
    with bank.client() as client, ThreadPoolExecutor(callers) as pool:
        answers = [pool.submit(client.users.balance, max_age=60) for _ in range(callers)]
        until(lambda: bank.asked.total() == 1)
        ready.set()
        assert {answer.result() for answer in answers} == {UserBalance(100, 0)}
    assert bank.asked.total() == 1


def test_an_error_goes_to_all_who_wait_and_the_next_call_tries_anew() -> None:
    callers, ready = 8, threading.Barrier(2)
    bank = Bank(hold=ready.wait)
    bank.script.append(503)
    with bank.client() as client, ThreadPoolExecutor(callers) as pool:
        calls = [pool.submit(client.users.balance, max_age=60) for _ in range(callers)]
        until(lambda: waiting() == callers - 1)
        ready.wait()
        errors = [call.exception() for call in calls]
        bank.hold = None
        assert client.users.balance(max_age=60).balance == 100
    assert {type(error) for error in errors} == {ServiceUnavailableError}
    assert len({id(error) for error in errors}) == callers
    assert bank.asked.total() == 2


def test_a_caller_who_is_interrupted_takes_nobody_along() -> None:
    def interrupt() -> None:
        asking.set()
        gone.wait()
        raise KeyboardInterrupt

    asking, gone = threading.Event(), threading.Event()
    bank = Bank()
    bank.script.append(interrupt)
    with bank.client() as client, ThreadPoolExecutor(2) as pool:
        interrupted = pool.submit(client.users.balance, max_age=60)
        asking.wait()
        patient = pool.submit(client.users.balance, max_age=60)
        until(lambda: waiting() == 1)
        gone.set()
        assert patient.result().balance == 100
        assert isinstance(interrupted.exception(), KeyboardInterrupt)


def test_who_waits_for_another_waits_no_longer_than_its_own_deadline() -> None:
    ready = threading.Event()
    bank = Bank(hold=ready.wait)
    with bank.client() as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.users.balance, max_age=60)
        until(lambda: bank.asked.total() == 1)
        with pytest.raises(DeadlineExceededError, match="shared request"):
            client.with_options(deadline=0.02).users.balance(max_age=60)
        ready.set()
        assert slow.result().balance == 100
        assert client.with_options(deadline=None).users.balance(max_age=60).balance == 100


def test_a_callable_key_is_resolved_once_and_shared_by_what_it_gives() -> None:
    bank = Bank(TWO)
    tenants = iter(["key-of-one", "key-of-two", "key-of-one"])
    with bank.client(lambda: next(tenants)) as client:
        assert client.users.balance(max_age=60).balance == 1
        assert client.users.balance(max_age=60).balance == 2
        assert client.users.balance(max_age=60).balance == 1
    assert bank.asked == {"key-of-one": 1, "key-of-two": 1}


def test_a_key_that_was_renewed_is_asked_for_once_more_after_a_401() -> None:
    bank = Bank(TWO)
    with bank.client(iter(["expired-key", "key-of-two"]).__next__) as client:
        assert client.users.balance(max_age=60).balance == 2
    with bank.client(lambda: "expired-key") as client, pytest.raises(AuthenticationError):
        client.users.balance(max_age=60)
    assert bank.asked == {"expired-key": 2, "key-of-two": 1}


@pytest.mark.parametrize("max_age", [-1, math.nan, math.inf, 10**400, True])
def test_an_age_that_makes_no_sense_is_refused(max_age: float) -> None:
    with Triverse("key-of-one") as client, pytest.raises(ConfigurationError, match="max_age"):
        client.users.balance(max_age=max_age)


# Python warns of forks beside threads. That is what this is about.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_process_does_not_wait_for_a_request_of_its_parent() -> None:
    asked, done = threading.Event(), threading.Event()

    def hold_the_first(_received: Received) -> bytes:
        if not asked.is_set():
            asked.set()
            done.wait()
        return answer(envelope(BALANCE))

    with serving(hold_the_first) as server, Triverse(KEY, base_url=server.url) as client, ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.users.balance, max_age=60)
        asked.wait()
        pid = os.fork()
        if not pid:
            os._exit(0 if client.users.balance(max_age=60).balance == 100 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        done.set()
        assert call.result().balance == 100


# --- Tasks ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_thousand_tasks_that_ask_at_once_cause_one_request() -> None:
    bank, answers = Bank(), list[UserBalance]()

    async def ask() -> None:
        answers.append(await client.users.balance(max_age=60))

    async with bank.async_client() as client, anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(ask)
    assert answers == [UserBalance(100, 0)] * 1000
    assert bank.asked.total() == 1


@pytest.mark.anyio
async def test_tasks_share_by_key_and_by_age() -> None:
    bank = Bank(TWO)
    async with bank.async_client() as client:
        others = client.with_options(api_key="key-of-two")
        assert (await client.users.balance(max_age=60)).balance == 1
        assert (await others.users.balance(max_age=60)).balance == 2
        assert (await client.users.balance(max_age=60)).balance == 1
        await anyio.sleep(0.02)
        assert (await client.users.balance(max_age=0.01)).balance == 1
        assert (await client.users.balance()).balance == 1
    assert bank.asked == {"key-of-one": 3, "key-of-two": 1}


@pytest.mark.anyio
async def test_an_error_goes_to_all_tasks_that_wait_and_the_next_call_tries_anew() -> None:
    bank, errors = Bank(), list[ServiceUnavailableError]()
    bank.script.append(503)

    async def fail() -> None:
        with pytest.raises(ServiceUnavailableError) as caught:
            await client.users.balance(max_age=60)
        errors.append(caught.value)

    async with bank.async_client() as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(fail)
        assert (await client.users.balance(max_age=60)).balance == 100
    assert len({id(error) for error in errors}) == 8
    assert bank.asked.total() == 2


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_while_it_asks_takes_nobody_along() -> None:
    bank, answers = Bank(pause=anyio.Event().wait), list[UserBalance]()

    async def ask() -> None:
        answers.append(await client.users.balance(max_age=60))

    async def ask_and_leave(*, task_status: anyio.abc.TaskStatus[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:
            task_status.started(scope)
            await client.users.balance(max_age=60)

    async with bank.async_client() as client, anyio.create_task_group() as tasks:
        leader = await tasks.start(ask_and_leave)
        await anyio.wait_all_tasks_blocked()
        waiter = await tasks.start(ask_and_leave)
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert bank.asked.total() == 1
        waiter.cancel()
        await anyio.wait_all_tasks_blocked()
        bank.pause = None
        leader.cancel()
    assert answers == [UserBalance(100, 0)] * 2
    assert bank.asked.total() == 2


@pytest.mark.anyio
async def test_a_task_that_waits_for_another_waits_no_longer_than_its_own_deadline() -> None:
    bank = Bank(pause=anyio.Event().wait)
    async with bank.async_client() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.users.balance(max_age=60))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(DeadlineExceededError, match="shared request"):
            await client.with_options(deadline=0.02).users.balance(max_age=60)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_an_async_callable_key_is_resolved_once_and_asked_again_after_a_401() -> None:
    bank = Bank(TWO)
    keys = iter(["key-of-one", "key-of-two", "expired-key", "key-of-one", "expired-key", "expired-key"])

    async def key() -> str:
        await anyio.lowlevel.checkpoint()
        return next(keys)

    async with bank.async_client(key) as client:
        assert (await client.users.balance(max_age=60)).balance == 1
        assert (await client.users.balance(max_age=60)).balance == 2
        assert (await client.users.balance(max_age=60)).balance == 1
        with pytest.raises(AuthenticationError):
            await client.users.balance(max_age=60)
    assert bank.asked == {"key-of-one": 1, "key-of-two": 1, "expired-key": 2}


def test_each_event_loop_shares_on_its_own() -> None:
    bank = Bank()
    http_client = httpx.AsyncClient(transport=httpx.MockTransport(bank.answer_paused))
    client = AsyncTriverse("key-of-one", base_url=BASE_URL, http_client=http_client)

    async def ask_twice() -> None:
        await client.users.balance(max_age=60)
        await client.users.balance(max_age=60)

    anyio.run(ask_twice)
    anyio.run(ask_twice)
    assert bank.asked.total() == 2


def test_a_program_with_ever_more_keys_remembers_the_answers_of_the_last_ones_alone() -> None:
    sharing: SingleFlight[int, object] = SingleFlight(object)
    for number in range(5000):
        flight, leads = sharing.join(number)
        assert leads
        sharing.finish(flight, CachedResult(number, at=float(number)))
    kept = [number for number in range(5000) if sharing.fresh(number, max_age=9999, now=5000)]
    assert kept == list(range(5000 - 1024, 5000))


def test_a_key_that_was_asked_for_again_is_among_the_last_ones() -> None:
    sharing: SingleFlight[int, object] = SingleFlight(object)
    for number in (*range(1024), 0, 1024):
        sharing.finish(sharing.join(number)[0], CachedResult(number, at=0.0))
    assert sharing.fresh(0, max_age=1, now=0.0)
    assert not sharing.fresh(1, max_age=1, now=0.0)


def test_an_answer_serves_again_while_it_is_at_most_so_old() -> None:
    sharing: SingleFlight[int, object] = SingleFlight(object)
    sharing.finish(sharing.join("key")[0], CachedResult(7, at=1000.0))
    assert sharing.fresh("key", max_age=5.0, now=1005.0)
    assert not sharing.fresh("key", max_age=5.0, now=1005.1)
