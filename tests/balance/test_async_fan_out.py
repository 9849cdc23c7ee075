from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping

import anyio
import pytest
from support.blocking_server import HeldService
from support.fake_transport import Bank

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
def service() -> Generator[HeldService, None, None]:
    with HeldService.running() as service:
        yield service


@pytest.fixture
async def client(service: HeldService) -> AsyncGenerator[AsyncTriverse, None]:
    async with AsyncTriverse("key-of-nobody", base_url=service.base_url, max_connections=8) as client:
        yield client


class Endless(Mapping[str, AsyncKeySource]):
    """More keys than any list could hold, and a note of how many were read."""

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
        while not happened():  # noqa: ASYNC110 - what happens there is in threads
            await anyio.sleep(0.002)


@pytest.mark.anyio
async def test_every_account_comes_once_with_its_own_balance() -> None:
    bank = Bank({f"key-{number:06}": (float(number), 0.0) for number in range(500)})
    async with bank.async_client(max_connections=8) as client:
        keys = {str(number): f"key-{number:06}" for number in range(500)}
        answers = [account async for account in client.balances(keys)]
    assert {account.name: account.balance for account in answers} == {
        str(number): UserBalance(number, 0) for number in range(500)
    }
    assert len(answers) == 500
    assert set(bank.asked.values()) == {1}


@pytest.mark.anyio
async def test_one_bad_key_is_one_error() -> None:
    async def called() -> str:
        await anyio.lowlevel.checkpoint()
        return "key-of-one"

    async def broken() -> str:
        await anyio.lowlevel.checkpoint()
        raise ValueError

    bank = Bank({"key-of-one": (1.0, 0.0)})
    good: dict[str, AsyncKeySource] = {"good": "key-of-one", "called": called}
    bad: dict[str, AsyncKeySource] = {"unknown": "key-of-nobody", "empty": "", "broken": broken}
    async with bank.async_client() as client:
        answers = {account.name: account async for account in client.balances(good | bad)}
    assert answers.pop("good") == AccountBalance("good", UserBalance(1, 0))
    assert answers.pop("called") == AccountBalance("called", UserBalance(1, 0))
    assert {name: type(account.error) for name, account in answers.items()} == {
        "unknown": AuthenticationError,
        "empty": ConfigurationError,
        "broken": ConfigurationError,
    }


@pytest.mark.anyio
async def test_no_accounts_are_no_work() -> None:
    async with Bank().async_client() as client:
        assert [account async for account in client.balances({})] == []


@pytest.mark.anyio
async def test_callables_see_the_context_of_the_caller() -> None:
    tenant = contextvars.ContextVar("tenant", default="key-of-nobody")
    async with Bank().async_client() as client:
        tenant.set("key-of-one")
        assert [account.error async for account in client.balances({"ours": tenant.get})] == [None]


@pytest.mark.anyio
async def test_no_more_than_max_connections_are_asked_for_at_once_over_one_pool(
    service: HeldService, client: AsyncTriverse
) -> None:
    answers = client.balances(Endless("hold-", 40))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answers.__anext__)
        await eventually(lambda: service.held == 8)
        await anyio.sleep(0.02)
        assert service.held == 8
        service.release.set()
    assert len([account async for account in answers]) == 39


@pytest.mark.anyio
async def test_keys_are_read_as_they_are_needed_and_answers_do_not_pile_up(client: AsyncTriverse) -> None:
    keys = Endless()
    async with client.balances(keys) as answers:
        for _ in range(20):
            await anext(answers)
        await anyio.sleep(0.1)
        assert 20 <= keys.read <= 20 + 2 * 8 + 1


@pytest.mark.anyio
async def test_breaking_out_of_the_loop_cancels_what_is_under_way_and_begins_nothing_more(
    service: HeldService, client: AsyncTriverse
) -> None:
    async for account in client.balances(one_quick_and_many_held()):
        assert account.name == "quick"
        await eventually(lambda: service.held == 8)
        break
    await eventually(lambda: service.hung_up == 8)
    assert service.asked.total() == 9
    assert (await client.users.balance()).balance == 1


@pytest.mark.anyio
async def test_an_exception_in_the_body_of_the_loop_cancels_it_too(service: HeldService, client: AsyncTriverse) -> None:
    async def iterate() -> None:
        async for _ in client.balances(one_quick_and_many_held()):
            await eventually(lambda: service.held == 8)
            raise LookupError

    with pytest.raises(LookupError):
        await iterate()
    gc.collect()
    await eventually(lambda: service.hung_up == 8)
    assert service.asked.total() == 9


@pytest.mark.anyio
async def test_at_the_end_of_the_block_all_is_over(service: HeldService, client: AsyncTriverse) -> None:
    answers = client.balances(one_quick_and_many_held())
    async with answers:
        await anext(answers)
        await eventually(lambda: service.held == 8)
    assert [account async for account in answers] == []
    await eventually(lambda: service.hung_up == 8)


@pytest.mark.anyio
async def test_an_iteration_that_is_cancelled_leaves_nothing_under_way(
    service: HeldService, client: AsyncTriverse
) -> None:
    answers = client.balances(Endless("hold-"))
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers.__anext__)
            await eventually(lambda: service.held == 8)
            scope.cancel()
    await eventually(lambda: service.hung_up == 8)
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


@pytest.mark.anyio
async def test_an_iteration_that_is_closed_before_it_began_has_nothing_to_give(service: HeldService) -> None:
    async with AsyncTriverse("key-of-nobody", base_url=service.base_url) as client:
        async with client.balances(Endless()) as answers:
            pass
        assert [account async for account in answers] == []
    assert not service.asked


@pytest.mark.anyio
async def test_an_iteration_that_is_closed_at_its_very_start_ends(service: HeldService, client: AsyncTriverse) -> None:
    answers = client.balances(Endless("hold-"))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(answers)
    with pytest.raises(StopAsyncIteration):
        await anext(answers)
    await anyio.sleep(0.02)
    assert service.held == 0


@pytest.mark.anyio
async def test_two_tasks_may_share_one_iteration(client: AsyncTriverse) -> None:
    answers, names = client.balances(Endless(size=100)), list[str]()

    async def work() -> None:
        names.extend([account.name async for account in answers])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        tasks.start_soon(work)
    assert sorted(names) == [f"{number:06}" for number in range(100)]


@pytest.mark.anyio
async def test_what_the_mapping_raises_comes_to_the_caller_after_the_answers() -> None:
    class Broken(Endless):
        def __getitem__(self, name: str) -> str:
            if name == "000003":
                raise LookupError(name)
            return "key-of-one"

    async with Bank().async_client(max_connections=1) as client:
        answers = client.balances(Broken())
        assert [(await anext(answers)).balance for _ in range(3)] == [UserBalance(100, 0)] * 3
        with pytest.raises(LookupError):
            await anext(answers)
        assert [account async for account in answers] == []


@pytest.mark.anyio
async def test_a_client_that_closes_meanwhile_gives_errors_and_loses_no_account(client: AsyncTriverse) -> None:
    answers = client.balances(Endless(size=50))
    first = await anext(answers)
    await client.aclose()
    rest = [account async for account in answers]
    assert first.balance == UserBalance(1, 0)
    assert len(rest) == 49
    assert any(isinstance(account.error, ConfigurationError) for account in rest)
    with pytest.raises(ConfigurationError):
        client.balances({})


def test_a_loop_that_ends_takes_the_iteration_along(anyio_backend: str) -> None:
    bank, held = Bank(pause=anyio.sleep_forever), list[object]()
    bank.script.append(lambda: setattr(bank, "pause", None))

    async def main() -> None:
        async with bank.async_client() as client:
            answers = client.balances({"first": "key-of-one", "second": "key-of-one"})
            held.append(answers)
            with anyio.move_on_after(0.01):
                await anext(answers)

    anyio.run(main, backend=anyio_backend)
    held.clear()
    gc.collect()


def test_an_iterator_that_outlives_its_loop_is_no_trouble(anyio_backend: str) -> None:
    bank, held = Bank(), list[object]()

    async def main() -> None:
        async with bank.async_client(max_connections=1) as client:
            answers = client.balances(Endless())
            await anext(answers)
            held.append(answers)

    anyio.run(main, backend=anyio_backend)
    held.clear()
    gc.collect()


def test_tasks_that_someone_else_cancels_are_not_taken_for_the_end() -> None:
    """On asyncio. On trio nobody can."""

    async def meddle(mine: set[asyncio.Task[object]]) -> None:
        await anyio.wait_all_tasks_blocked()
        for task in asyncio.all_tasks() - mine:
            if "Crew._run" in repr(task):
                task.cancel()

    async def main() -> None:
        async with Bank(pause=anyio.sleep_forever).async_client() as client:
            answers = client.balances(Endless())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(meddle, asyncio.all_tasks())
                with pytest.raises(TransportError, match="cancelled"):
                    await anext(answers)

    asyncio.run(main())
