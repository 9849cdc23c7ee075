from __future__ import annotations

import copy
import gc
import pickle
import socket
from contextlib import aclosing, closing

import anyio
import pytest
from support.fake_transport import FakeApi

from triverse import (
    AsyncTriverse,
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    ServiceUnavailableError,
    Triverse,
    TriverseError,
    UserBalance,
)
from triverse.api.polling import OnError, PollSchedule

SOON = 0.004


def test_watching_yields_the_first_balance_and_each_change() -> None:
    api = FakeApi()
    api.script.extend([(100, 0), (100, 0), (70, 30), 503, (70, 0)])
    errors: list[TriverseError] = []
    with api.client() as client, closing(client.users.watch_balance(interval=SOON, on_error=errors.append)) as watch:
        seen = [next(watch) for _ in range(3)]
    assert seen == [UserBalance(100, 0), UserBalance(70, 30), UserBalance(70, 0)]
    assert [type(error) for error in errors] == [ServiceUnavailableError]


@pytest.mark.anyio
async def test_async_watching_yields_the_first_balance_and_each_change() -> None:
    api = FakeApi()
    api.script.extend([(100, 0), (100, 0), (70, 30), 503, (70, 0)])
    errors: list[TriverseError] = []
    async with (
        api.async_client() as client,
        aclosing(client.users.watch_balance(interval=SOON, on_error=errors.append)) as watch,
    ):
        seen = [await anext(watch) for _ in range(3)]
    assert seen == [UserBalance(100, 0), UserBalance(70, 30), UserBalance(70, 0)]
    assert [type(error) for error in errors] == [ServiceUnavailableError]


@pytest.mark.parametrize("bounds", [(9, None), (None, 1)])
def test_invalid_intervals_are_refused_before_the_first_poll(bounds: tuple[float, float]) -> None:
    least, most = bounds
    with Triverse("key-of-one") as client, pytest.raises(ConfigurationError):
        client.users.watch_balance(min_interval=least, max_interval=most)
    with pytest.raises(ConfigurationError):
        AsyncTriverse("key-of-one").users.watch_balance(min_interval=least, max_interval=most)


def test_a_revoked_key_ends_watching_with_its_error() -> None:
    api = FakeApi()
    api.script.append(api.accounts.clear)
    with api.client() as client, pytest.raises(AuthenticationError):
        list(client.users.watch_balance(interval=SOON))


@pytest.mark.anyio
async def test_cancelling_ends_watching_at_once() -> None:
    async with FakeApi().async_client() as client:
        with anyio.move_on_after(0.05) as scope:
            async for _ in client.users.watch_balance(interval=3600):
                pass
        assert scope.cancelled_caught
        assert await client.users.balance() == UserBalance(100, 0)


def test_a_closed_watch_sends_nothing_more() -> None:
    api = FakeApi()
    with api.client() as client:
        watch = client.users.watch_balance(interval=SOON)
        next(watch)
        watch.close()
        assert list(watch) == []
    assert api.requests.total() == 1


def test_waiting_for_credits_ends_when_there_are_enough() -> None:
    api = FakeApi()
    api.script.extend([(10, 0), (10, 0), 503, (60, 0)])
    with api.client() as client:
        assert client.users.wait_for_balance(50, timeout=30, interval=SOON) == UserBalance(60, 0)
        assert client.users.wait_for_balance(100) == UserBalance(100, 0)


@pytest.mark.anyio
async def test_async_waiting_for_credits_ends_when_there_are_enough() -> None:
    api = FakeApi()
    api.script.extend([(10, 0), (10, 0), 503, (60, 0)])
    async with api.async_client() as client:
        assert await client.users.wait_for_balance(50, timeout=30, interval=SOON) == UserBalance(60, 0)
        assert await client.users.wait_for_balance(100) == UserBalance(100, 0)


def test_waiting_until_settled_ends_when_nothing_is_frozen() -> None:
    api = FakeApi()
    api.script.extend([(70, 30), (50, 50), (70, 0)])
    with api.client() as client:
        assert client.users.wait_until_settled(timeout=30, interval=SOON) == UserBalance(70, 0)


@pytest.mark.anyio
async def test_async_waiting_until_settled_ends_when_nothing_is_frozen() -> None:
    api = FakeApi()
    api.script.extend([(70, 30), (50, 50), (70, 0)])
    async with api.async_client() as client:
        assert await client.users.wait_until_settled(timeout=30, interval=SOON) == UserBalance(70, 0)


def test_a_timeout_error_has_the_last_balance_and_pickles() -> None:
    api = FakeApi({"key-of-one": (12.0, 8.0)})
    with api.client() as client, pytest.raises(DeadlineExceededError, match="12 available, 8 frozen") as caught:
        client.users.wait_for_balance(50, timeout=0.1, interval=0.01)
    assert caught.value.balance == UserBalance(12, 8)
    pickled: DeadlineExceededError = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made one call earlier
    for twin in (copy.copy(caught.value), pickled):
        assert twin.balance == UserBalance(12, 8)
        assert str(twin) == str(caught.value)


@pytest.mark.anyio
async def test_an_async_timeout_error_has_the_last_balance() -> None:
    api = FakeApi({"key-of-one": (12.0, 8.0)})
    async with api.async_client() as client:
        with pytest.raises(DeadlineExceededError) as caught:
            await client.users.wait_until_settled(timeout=0.1, interval=0.01)
    assert caught.value.balance == UserBalance(12, 8)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), 1.1e9, 10**400, True])
def test_invalid_arguments_of_waiting_are_configuration_errors(timeout: float) -> None:
    with Triverse("key-of-one") as client:
        with pytest.raises(ConfigurationError, match="timeout"):
            client.users.wait_until_settled(timeout=timeout)
        with pytest.raises(ConfigurationError, match="interval"):
            client.users.wait_until_settled(interval=timeout)
        with pytest.raises(ConfigurationError, match="at_least"):
            client.users.wait_for_balance(float("nan"))


def test_the_longest_interval_is_what_timers_accept() -> None:
    assert PollSchedule.of(1e9, None, None).max_interval == 1e9
    assert PollSchedule.for_waiting(1e9).max_interval == 1e9


def test_a_call_that_hangs_ends_with_the_timeout_of_the_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Triverse("key-of-one", base_url=base_url) as client, pytest.raises(DeadlineExceededError) as caught:
            client.users.wait_for_balance(50, timeout=0.2)
    assert isinstance(caught.value.__cause__, DeadlineExceededError)


@pytest.mark.anyio
async def test_an_async_on_error_is_awaited() -> None:
    api, errors = FakeApi(), list[TriverseError]()
    api.script.extend([503, (60, 0)])

    async def on_error(error: TriverseError) -> None:
        await anyio.lowlevel.checkpoint()
        errors.append(error)

    async with (
        api.async_client() as client,
        aclosing(client.users.watch_balance(interval=SOON, on_error=on_error)) as watch,
    ):
        assert await anext(aiter(watch)) == UserBalance(60, 0)
    assert [type(error) for error in errors] == [ServiceUnavailableError]


@pytest.mark.parametrize("wrong", ["a log", 5])
def test_an_on_error_that_cannot_be_called_is_refused_at_once(wrong: OnError) -> None:
    with Triverse("key-of-one") as client, pytest.raises(ConfigurationError, match="on_error"):
        client.users.watch_balance(on_error=wrong)
    with pytest.raises(ConfigurationError, match="on_error"):
        AsyncTriverse("key-of-one").users.watch_balance(on_error=wrong)


def test_the_sync_client_refuses_an_async_on_error() -> None:
    async def on_error(_: TriverseError) -> None:
        """Do nothing."""

    with Triverse("key-of-one") as client, pytest.raises(ConfigurationError, match="on_error"):
        client.users.watch_balance(on_error=on_error)


def test_the_sync_client_refuses_an_on_error_that_returns_an_awaitable() -> None:
    async def later() -> None:
        """Do nothing."""

    api = FakeApi()
    api.script.append(503)
    with api.client() as client, pytest.raises(ConfigurationError, match="asynchronous"):
        next(client.users.watch_balance(on_error=lambda _: later()))


@pytest.mark.filterwarnings("error")
@pytest.mark.anyio
async def test_a_watch_that_is_left_by_break_causes_no_warning() -> None:
    async with FakeApi().async_client() as client:
        async for balance in client.users.watch_balance():
            assert balance == UserBalance(100, 0)
            break
        gc.collect()


@pytest.mark.anyio
async def test_a_closed_async_watch_sends_nothing_more() -> None:
    api = FakeApi()
    async with api.async_client() as client:
        watch = client.users.watch_balance(interval=SOON)
        await anext(aiter(watch))
        await watch.aclose()
        assert [balance async for balance in watch] == []
    assert api.requests.total() == 1
