from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from triverse import ConfigurationError, UserBalance
from triverse.cli.sandbox_accounts import add_accounts
from triverse.sandbox import Sandbox
from triverse.sandbox.activity import Activity


def course(seed: int, ticks: int = 200) -> list[UserBalance]:
    """The balances that activity leads through."""
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


def test_an_account_without_credits_is_topped_up() -> None:
    assert max(balance.total for balance in course(1)) > 100


def test_the_same_seed_gives_the_same_sequence() -> None:
    assert course(1) == course(1) != course(2)


def test_activity_runs_in_a_thread_until_the_block_ends() -> None:
    account = Sandbox().add_account(api_credits=1000)
    with Activity([account]).running(interval=0.001):
        while not account.balance.frozen:
            time.sleep(0.001)
    still = account.balance
    time.sleep(0.02)
    assert account.balance == still


def test_accounts_can_be_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(
        '[[accounts]]\nemail = "ada@example.com"\nplan_name = "Pro"\napi_credits = 120\nweb_credits = 1.5\n'
        '[[accounts]]\nemail = "bob@example.com"\n',
        encoding="utf-8",
    )
    sandbox = Sandbox()
    ada, bob = add_accounts(sandbox, path)
    assert sandbox.accounts == (ada, bob)
    assert (ada.email, ada.plan_name, ada.balance.balance, ada.web_credits) == ("ada@example.com", "Pro", 120.0, 1.5)
    assert (bob.email, bob.plan_name, bob.balance.balance) == ("bob@example.com", None, 0.0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file.accounts: missing"),
        ("accounts = 1", "the file.accounts: expected"),
        ("[[accounts]]\n", "email: missing"),
        ('[[accounts]]\nemail = "a@b.c"\napi_credits = "many"', "api_credits: expected a number"),
        ('[[accounts]]\nemail = "a@b.c"\napi_credits = -1', "credits are a number"),
        ("[[accounts", "is not valid TOML"),
    ],
)
def test_a_file_with_other_content_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem):
        add_accounts(Sandbox(), path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        add_accounts(Sandbox(), tmp_path / "nowhere.toml")
