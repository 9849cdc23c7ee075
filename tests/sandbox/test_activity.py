from __future__ import annotations

import time
from itertools import pairwise

from triverse import UserBalance
from triverse.sandbox import Sandbox
from triverse.sandbox.activity import Activity


def course(seed: int, ticks: int = 200) -> list[UserBalance]:
    """Return the balances while activity runs."""
    account = Sandbox().add_account(api_credits=100)
    activity = Activity([account], seed=seed)
    balances: list[UserBalance] = []
    for _ in range(ticks):
        activity.tick()
        balances.append(account.balance)
    return balances


def test_balances_move_as_tasks_start_succeed_and_fail() -> None:
    balances = course(1)
    changes = [after.change_since(before) for before, after in pairwise(balances)]
    assert any(change.deducted for change in changes)
    assert any(change.released for change in changes)
    assert any(balance.frozen for balance in balances)


def test_an_account_that_runs_out_of_credits_gets_new_ones() -> None:
    assert max(balance.total for balance in course(1)) > 100


def test_the_same_seed_gives_the_same_balances() -> None:
    assert course(1) == course(1) != course(2)


def test_it_goes_on_by_itself_while_the_block_runs() -> None:
    account = Sandbox().add_account(api_credits=1000)
    with Activity([account]).running(interval=0.001):
        while not account.balance.frozen:
            time.sleep(0.001)
    still = account.balance
    time.sleep(0.02)
    assert account.balance == still
