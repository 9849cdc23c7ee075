from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping

import anyio
import pytest
from support.blocking_server import BlockingServer
from support.fake_transport import FakeApi

from triverse import (
    AccountBalance,
    AsyncTriverse,
    AuthenticationError,
    ConfigurationError,
    TransportError,
    UserBalance,
)
from triverse.core.secret import AsyncKeySource


@pytest.fixture
def server() -> Generator[BlockingServer, None, None]:
    with BlockingServer.running() as server:
        yield server


@pytest.fixture
async def client(server: BlockingServer) -> AsyncGenerator[AsyncTriverse, None]:
    async with AsyncTriverse("key-of-unknown", base_url=server.base_url, max_connections=8) as client:
        yield client


class Endless(Mapping[str, AsyncKeySource]):
    """An endless mapping of keys, which counts the keys that were read."""

    def __init__(self, prefix: str = "key-", size: int = 10**9) -> None:
        self.prefix, self.size, self.read = prefix, size, 0

    def __getitem__(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def __iter__(self) -> Iterator[str]:
        for number in range(self.size):
            self.read += 1
            yield f"{number:06}"

    def __len__(self) -> int:
        return self.size


def one_quick_and_many_held() -> Mapping[str, AsyncKeySource]:
    return {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(100)}


async def eventually(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not happened():  # noqa: ASYNC110 - the server runs in threads
            await anyio.sleep(0.002)


@pytest.mark.anyio
async def test_every_account_is_yielded_once_with_its_own_balance() -> None:
    api = FakeApi({f"key-{number:06}": (float(number), 0.0) for number in range(500)})
    async with api.async_client(max_connections=8) as client:
        keys = {str(number): f"key-{number:06}" for number in range(500)}
        answers = [account async for account in client.balances(keys)]
    assert {account.name: account.balance for account in answers} == {
        str(number): UserBalance(number, 0) for number in range(500)
    }
    assert len(answers) == 500
    assert set(api.requests.values()) == {1}


@pytest.mark.anyio
async def test_a_bad_key_is_the_error_of_its_own_account() -> None:
    async def called() -> str:
        await anyio.lowlevel.checkpoint()
        return "key-of-one"

    async def broken() -> str:
        await anyio.lowlevel.checkpoint()
        raise ValueError

    api = FakeApi({"key-of-one": (1.0, 0.0)})
    good: dict[str, AsyncKeySource] = {"good": "key-of-one", "called": called}
    bad: dict[str, AsyncKeySource] = {"unknown": "key-of-unknown", "empty": "", "broken": broken}
    async with api.async_client() as client:
        answers = {account.name: account async for account in client.balances(good | bad)}
    assert answers.pop("good") == AccountBalance("good", UserBalance(1, 0))
    assert answers.pop("called") == AccountBalance("called", UserBalance(1, 0))
    assert {name: type(account.error) for name, account in answers.items()} == {
        "unknown": AuthenticationError,
        "empty": ConfigurationError,
        "broken": ConfigurationError,
    }


@pytest.mark.anyio
async def test_no_accounts_give_no_results() -> None:
    async with FakeApi().async_client() as client:
        assert [account async for account in client.balances({})] == []


@pytest.mark.anyio
async def test_key_callables_run_in_the_callers_context() -> None:
    tenant = contextvars.ContextVar("tenant", default="key-of-unknown")
    async with FakeApi().async_client() as client:
        tenant.set("key-of-one")
        assert [account.error async for account in client.balances({"ours": tenant.get})] == [None]


@pytest.mark.anyio
async def test_at_most_max_connections_requests_are_made_at_once(server: BlockingServer, client: AsyncTriverse) -> None:
    answers = client.balances(Endless("hold-", 40))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answers.__anext__)
        await eventually(lambda: server.held == 8)
        await anyio.sleep(0.02)
        assert server.held == 8
        server.release.set()
    assert len([account async for account in answers]) == 39


@pytest.mark.anyio
async def test_keys_are_read_only_a_little_ahead_of_the_loop(client: AsyncTriverse) -> None:
    keys = Endless()
    async with client.balances(keys) as answers:
        for _ in range(20):
            await anext(answers)
        await anyio.sleep(0.1)
        assert 20 <= keys.read <= 20 + 2 * 8 + 1


@pytest.mark.anyio
async def test_leaving_the_loop_cancels_pending_requests_and_starts_no_more(
    server: BlockingServer, client: AsyncTriverse
) -> None:
    async for account in client.balances(one_quick_and_many_held()):
        assert account.name == "quick"
        await eventually(lambda: server.held == 8)
        break
    await eventually(lambda: server.closed == 8)
    assert server.requests.total() == 9
    assert (await client.users.balance()).balance == 1


@pytest.mark.anyio
async def test_an_exception_in_the_loop_body_cancels_pending_requests(
    server: BlockingServer, client: AsyncTriverse
) -> None:
    async def iterate() -> None:
        async for _ in client.balances(one_quick_and_many_held()):
            await eventually(lambda: server.held == 8)
            raise LookupError

    with pytest.raises(LookupError):
        await iterate()
    gc.collect()
    await eventually(lambda: server.closed == 8)
    assert server.requests.total() == 9


@pytest.mark.anyio
async def test_the_end_of_the_block_cancels_and_waits(server: BlockingServer, client: AsyncTriverse) -> None:
    answers = client.balances(one_quick_and_many_held())
    async with answers:
        await anext(answers)
        await eventually(lambda: server.held == 8)
    assert [account async for account in answers] == []
    await eventually(lambda: server.closed == 8)


@pytest.mark.anyio
async def test_a_cancelled_iteration_leaves_no_pending_requests(server: BlockingServer, client: AsyncTriverse) -> None:
    answers = client.balances(Endless("hold-"))
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers.__anext__)
            await eventually(lambda: server.held == 8)
            scope.cancel()
    await eventually(lambda: server.closed == 8)
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


@pytest.mark.anyio
async def test_an_iterator_closed_before_its_start_yields_nothing(server: BlockingServer) -> None:
    async with AsyncTriverse("key-of-unknown", base_url=server.base_url) as client:
        async with client.balances(Endless()) as answers:
            pass
        assert [account async for account in answers] == []
    assert not server.requests


@pytest.mark.anyio
async def test_an_iteration_cancelled_at_its_start_sends_nothing(server: BlockingServer, client: AsyncTriverse) -> None:
    answers = client.balances(Endless("hold-"))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(answers)
    with pytest.raises(StopAsyncIteration):
        await anext(answers)
    await anyio.sleep(0.02)
    assert server.held == 0


@pytest.mark.anyio
async def test_two_tasks_can_share_one_iterator(client: AsyncTriverse) -> None:
    answers, names = client.balances(Endless(size=100)), list[str]()

    async def work() -> None:
        names.extend([account.name async for account in answers])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        tasks.start_soon(work)
    assert sorted(names) == [f"{number:06}" for number in range(100)]


@pytest.mark.anyio
async def test_an_error_of_the_mapping_is_raised_after_the_results() -> None:
    class Broken(Endless):
        def __getitem__(self, name: str) -> str:
            if name == "000003":
                raise LookupError(name)
            return "key-of-one"

    async with FakeApi().async_client(max_connections=1) as client:
        answers = client.balances(Broken())
        assert [(await anext(answers)).balance for _ in range(3)] == [UserBalance(100, 0)] * 3
        with pytest.raises(LookupError):
            await anext(answers)
        assert [account async for account in answers] == []


@pytest.mark.anyio
async def test_closing_the_client_meanwhile_loses_no_account(client: AsyncTriverse) -> None:
    answers = client.balances(Endless(size=50))
    first = await anext(answers)
    await client.aclose()
    rest = [account async for account in answers]
    assert first.balance == UserBalance(1, 0)
    assert len(rest) == 49
    assert any(isinstance(account.error, ConfigurationError) for account in rest)
    with pytest.raises(ConfigurationError):
        client.balances({})


def test_an_event_loop_that_ends_cancels_the_workers(anyio_backend: str) -> None:
    api, held = FakeApi(pause=anyio.sleep_forever), list[object]()
    api.script.append(lambda: setattr(api, "pause", None))

    async def main() -> None:
        async with api.async_client() as client:
            answers = client.balances({"first": "key-of-one", "second": "key-of-one"})
            held.append(answers)
            with anyio.move_on_after(0.01):
                await anext(answers)

    anyio.run(main, backend=anyio_backend)
    held.clear()
    gc.collect()


def test_an_iterator_may_outlive_its_event_loop(anyio_backend: str) -> None:
    api, held = FakeApi(), list[object]()

    async def main() -> None:
        async with api.async_client(max_connections=1) as client:
            answers = client.balances(Endless())
            await anext(answers)
            held.append(answers)

    anyio.run(main, backend=anyio_backend)
    held.clear()
    gc.collect()


def test_workers_cancelled_by_other_code_are_an_error() -> None:
    """Only on asyncio: on trio, code cannot cancel tasks of other code."""

    async def cancel_all_but(kept: set[asyncio.Task[object] | None]) -> None:
        await anyio.wait_all_tasks_blocked()
        for task in asyncio.all_tasks() - kept - {asyncio.current_task()}:
            task.cancel()

    async def main() -> None:
        async with FakeApi(pause=anyio.sleep_forever).async_client() as client:
            answers = client.balances(Endless())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_all_but, {asyncio.current_task()})
                with pytest.raises(TransportError, match="cancelled"):
                    await anext(answers)

    asyncio.run(main())


@pytest.mark.anyio
async def test_a_forked_child_cannot_continue_an_async_loop_but_can_leave_it(
    client: AsyncTriverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, closed = client.balances(Endless()), client.balances(Endless())
    await anext(left)
    async with closed:
        await anext(closed)
        with monkeypatch.context() as patch:
            patch.setattr("os.getpid", lambda: 1)  # the same as in a forked child
            with pytest.raises(ConfigurationError, match="forked child"):
                await anext(closed)
            del left
            gc.collect()


@pytest.mark.parametrize("wrong", [["key-of-one"], "key-of-one", None, 5])
def test_keys_that_are_no_mapping_are_a_configuration_error(wrong: Mapping[str, AsyncKeySource]) -> None:
    with pytest.raises(ConfigurationError, match="mapping") as caught:
        AsyncTriverse("key-of-unknown").balances(wrong)
    assert "key-of-one" not in str(caught.value)
