"""Balances of sandbox accounts, compared with their ledgers."""

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
def test_the_sums_of_each_change_agree_with_the_ledger(happened: list[tuple[str, float]]) -> None:
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
    change = after.change_since(before)
    gained = exact(change.released) + exact(change.topped_up) - exact(change.frozen)
    assert exact(after.balance) - exact(before.balance) == gained == exact(change.balance_delta)
    held = exact(change.frozen) - exact(change.deducted) - exact(change.released)
    assert exact(after.frozen) - exact(before.frozen) == held == exact(change.frozen_delta)


@given(amounts)
def test_a_single_event_is_reported_under_its_own_name(cost: float) -> None:
    account = Sandbox().add_account(api_credits=5000)

    def change_by(event: Callable[[], object]) -> tuple[float, float, float, float]:
        before = account.balance
        event()
        change = account.balance.change_since(before)
        return change.frozen, change.deducted, change.released, change.topped_up

    first, second = account.freeze(cost), account.freeze(cost)
    assert change_by(first.succeed) == (0, cost, 0, 0)
    assert change_by(second.cancel) == (0, 0, cost, 0)
    assert change_by(lambda: account.top_up(cost)) == (0, 0, 0, cost)
    assert change_by(lambda: account.freeze(cost)) == (cost, 0, 0, 0)
    assert change_by(lambda: account.freeze(cost / 2).fail()) == (0, 0, 0, 0)


def test_hundreds_of_accounts_are_fetched_and_none_is_lost(anyio_backend: str) -> None:
    sandbox = Sandbox()
    keys = {str(number): sandbox.add_account(api_credits=number).key for number in range(500)}

    async def fetch(url: str) -> dict[str, UserBalance | None]:
        async with AsyncTriverse("no-key-of-ours", base_url=url) as client:
            return {account.name: account.balance async for account in client.balances(keys)}

    with sandbox.serve() as url:
        balances = anyio.run(fetch, url, backend=anyio_backend)
    assert balances == {str(number): UserBalance(number, 0) for number in range(500)}


@pytest.mark.anyio
async def test_watching_shows_that_a_task_froze_and_deducted_credits() -> None:
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


def test_an_account_is_found_by_its_present_key() -> None:
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
