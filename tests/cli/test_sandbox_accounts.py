"""The accounts file of `triverse sandbox`."""

from __future__ import annotations

from pathlib import Path

import pytest

from triverse import ConfigurationError
from triverse.cli.sandbox_accounts import add_accounts
from triverse.sandbox import Sandbox


def test_accounts_can_be_written_down_in_a_file(tmp_path: Path) -> None:
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
        ("", "accounts.toml.accounts: missing"),
        ("accounts = 1", "accounts.toml.accounts: expected"),
        ("[[accounts]]\n", "email: missing"),
        ('[[accounts]]\nemail = "a@b.c"\napi_credits = "many"', "api_credits: expected a number"),
        ('[[accounts]]\nemail = "a@b.c"\napi_credits = -1', "credits are a number"),
        ("[[accounts", "is not valid TOML"),
        ('[[accounts]]\nemail = "a@b.c"\nplan = "Pro"', "has unknown fields: plan. Known: email, plan_name"),
        ("accounts = []\naccount = 1", "has unknown fields: account. Known"),
    ],
)
def test_a_file_with_other_content_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem):
        add_accounts(Sandbox(), path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        add_accounts(Sandbox(), tmp_path / "nowhere.toml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text('[[accounts]]\nemail = "ada@example.com"\nkey = "a-key-of-ada"', encoding=encoding)
    (ada,) = add_accounts(Sandbox(), path)
    assert (ada.email, ada.key) == ("ada@example.com", "a-key-of-ada")
