"""The credits of accounts whose ledger is known."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triverse import AsyncTriverse, AuthenticationError, InsufficientCreditsError, UserBalance
from triverse.sandbox import Hold, Sandbox

amounts = st.integers(1, 100_000).map(lambda cents: cents / 100)
steps = st.lists(st.tuples(st.sampled_from(["freeze", "succeed", "fail", "cancel", "top up"]), amounts), max_size=12)


def exact(number: float) -> Fraction:
    return Fraction(repr(number))


@given(steps)
def test_whatever_happens_to_an_account_the_sums_of_each_change_agree(happened: list[tuple[str, float]]) -> None:
    account = Sandbox().add_account(api_credits=500)
    holds: list[Hold] = []
    settle: dict[str, Callable[[Hold], None]] = {"succeed": Hold.succeed, "fail": Hold.fail, "cancel": Hold.cancel}
    seen = [account.balance]
    for what, amount in happened:
        if what == "top up":
            account.top_up(amount)
        elif what == "freeze":
            with suppress(InsufficientCreditsError):
                holds.append(account.freeze(amount))
        elif holds:
            settle[what](holds.pop())
        seen.append(account.balance)
    for before, after in [*pairwise(seen), (seen[0], seen[-1])]:
        assert_the_sums_agree(before, after)


def assert_the_sums_agree(before: UserBalance, after: UserBalance) -> None:
    told = after.change_since(before)
    gained = exact(told.released) + exact(told.topped_up) - exact(told.frozen)
    assert exact(after.balance) - exact(before.balance) == gained == exact(told.balance_delta)
    held = exact(told.frozen) - exact(told.deducted) - exact(told.released)
    assert exact(after.frozen) - exact(before.frozen) == held == exact(told.frozen_delta)


@given(amounts)
def test_each_event_is_told_as_what_it_was(cost: float) -> None:
    account = Sandbox().add_account(api_credits=5000)

    def story(happen: Callable[[], object]) -> tuple[float, float, float, float]:
        before = account.balance
        happen()
        told = account.balance.change_since(before)
        return told.frozen, told.deducted, told.released, told.topped_up

    first, second = account.freeze(cost), account.freeze(cost)
    assert story(first.succeed) == (0, cost, 0, 0)
    assert story(second.cancel) == (0, 0, cost, 0)
    assert story(lambda: account.top_up(cost)) == (0, 0, 0, cost)
    assert story(lambda: account.freeze(cost)) == (cost, 0, 0, 0)
    assert story(lambda: account.freeze(cost / 2).fail()) == (0, 0, 0, 0)


def test_hundreds_of_accounts_on_a_served_sandbox_finish_with_none_lost(anyio_backend: str) -> None:
    sandbox = Sandbox()
    keys = {str(number): sandbox.add_account(api_credits=number).key for number in range(500)}

    async def ask(url: str) -> dict[str, UserBalance | None]:
        async with AsyncTriverse("no-key-of-ours", base_url=url) as client:
            return {account.name: account.balance async for account in client.balances(keys)}

    with sandbox.serve() as url:
        balances = anyio.run(ask, url, backend=anyio_backend)
    assert balances == {str(number): UserBalance(number, 0) for number in range(500)}


@pytest.mark.anyio
async def test_a_watch_tells_the_life_of_a_task() -> None:
    sandbox = Sandbox()
    account = sandbox.add_account(api_credits=100)
    async with sandbox.async_client(account) as client:
        watch = client.users.watch_balance(interval=0.01)
        start = await anext(watch)
        hold = account.freeze(30)
        running = await anext(watch)
        hold.succeed()
        done = await anext(watch)
        await watch.aclose()
    assert [running.change_since(start).frozen, done.change_since(running).deducted] == [30, 30]


def test_accounts_are_known_by_the_key_that_they_have_now() -> None:
    sandbox = Sandbox()
    account = sandbox.add_account(api_credits=1)
    old, account.key = account.key, "a-key-set-by-hand"
    with sandbox.client(account) as client:
        assert client.users.balance() == UserBalance(1, 0)
        with pytest.raises(AuthenticationError):
            client.with_options(api_key=old).users.balance()
    log = repr(sandbox.requests)
    assert old not in log
    assert "a-key-set-by-hand" not in log
