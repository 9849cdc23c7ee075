"""Accounts with a key that the caller chose."""

from __future__ import annotations

import pytest

from triverse import ConfigurationError
from triverse.sandbox import Sandbox

KEY = "a-key-for-the-sandbox-only"


def test_an_account_can_have_a_key_that_is_known_beforehand() -> None:
    sandbox = Sandbox()
    account = sandbox.add_account(api_credits=7, key=KEY)

    with sandbox.client(account) as client:
        assert account.key == KEY
        assert client.users.balance().balance == 7


def test_a_chosen_key_is_redacted_in_the_request_log() -> None:
    sandbox = Sandbox()

    with sandbox.client(sandbox.add_account(key=KEY)) as client:
        client.users.me()

    assert KEY not in str(sandbox.requests)


@pytest.mark.parametrize("key", ["", "with space", "line\nbreak", '"quoted"'])
def test_an_account_cannot_have_a_key_that_no_client_can_send(key: str) -> None:
    with pytest.raises(ConfigurationError):
        Sandbox().add_account(key=key)


def test_two_accounts_cannot_have_the_same_key() -> None:
    sandbox = Sandbox()
    sandbox.add_account(key=KEY)

    with pytest.raises(ConfigurationError, match="another account"):
        sandbox.add_account(key=KEY)
