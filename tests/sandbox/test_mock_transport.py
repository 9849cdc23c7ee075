from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from support.clients import MODES, Mode, run_async

from triverse import AsyncTriverse, AuthenticationError, NotFoundError, Triverse, UserBalance, UserInfo
from triverse.sandbox import Account, Sandbox

T = TypeVar("T")


def ask(
    mode: Mode,
    sandbox: Sandbox,
    sync_way: Callable[[Triverse], T],
    async_way: Callable[[AsyncTriverse], Awaitable[T]],
    account: Account | None = None,
) -> T:
    """Make the call with an in-process client of this mode."""
    if mode == "sync":
        with sandbox.client(account) as client:
            return sync_way(client)

    async def main() -> T:
        async with sandbox.async_client(account) as client:
            return await async_way(client)

    return run_async(mode, main)


def balance(mode: Mode, sandbox: Sandbox, account: Account | None = None) -> UserBalance:
    return ask(mode, sandbox, lambda c: c.users.balance(), lambda c: c.users.balance(), account)


def me(mode: Mode, sandbox: Sandbox, account: Account | None = None) -> UserInfo:
    return ask(mode, sandbox, lambda c: c.users.me(), lambda c: c.users.me(), account)


@pytest.mark.parametrize("mode", MODES)
def test_both_endpoints_answer_in_process(mode: Mode) -> None:
    sandbox = Sandbox()
    account = sandbox.add_account(email="ada@example.com", plan_name="Pro", api_credits=120, web_credits=10)
    account.freeze(20)
    assert balance(mode, sandbox, account) == UserBalance(balance=100.0, frozen=20.0)
    assert me(mode, sandbox, account) == UserInfo(
        id=account.id, email="ada@example.com", web_credits_balance=10.0, api_credits_balance=100.0, plan_name="Pro"
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_demo_account_is_opened_at_the_first_use(mode: Mode) -> None:
    sandbox = Sandbox()
    assert not sandbox.accounts
    assert me(mode, sandbox).email == sandbox.demo.email
    assert sandbox.accounts == (sandbox.demo,)


@pytest.mark.parametrize("mode", MODES)
def test_an_account_may_have_no_plan(mode: Mode) -> None:
    sandbox = Sandbox()
    assert me(mode, sandbox, sandbox.add_account()).plan_name is None


@pytest.mark.parametrize("mode", MODES)
def test_a_revoked_key_and_the_old_key_after_a_rotation_are_refused(mode: Mode) -> None:
    sandbox = Sandbox()
    account = sandbox.add_account(api_credits=5)
    old = account.key
    sandbox.revoke_key(account)
    with pytest.raises(AuthenticationError) as caught:
        balance(mode, sandbox, account)
    assert caught.value.headers["WWW-Authenticate"] == "Bearer"
    assert sandbox.rotate_key(account) == account.key != old
    assert balance(mode, sandbox, account).balance == 5.0


def test_a_client_with_the_old_key_is_refused_after_a_rotation() -> None:
    sandbox = Sandbox()
    with sandbox.client() as client:
        client.users.me()
        sandbox.rotate_key(sandbox.demo)
        with pytest.raises(AuthenticationError):
            client.users.me()


def test_each_key_opens_its_own_account() -> None:
    sandbox = Sandbox()
    accounts = [sandbox.add_account(api_credits=number) for number in range(20)]
    with sandbox.client() as client:
        for number, account in enumerate(accounts):
            assert client.with_options(api_key=account.key).users.balance().balance == number


def test_the_same_seed_gives_the_same_ids_and_keys() -> None:
    first, again, other = Sandbox(seed=7).demo, Sandbox(seed=7).demo, Sandbox(seed=8).demo
    assert (first.id, first.key) == (again.id, again.key)
    assert (first.id, first.key) != (other.id, other.key)


def test_an_unknown_path_is_the_documented_error() -> None:
    with Sandbox().client() as client, pytest.raises(NotFoundError) as caught:
        client.request("GET", "/nowhere/at/all")
    assert (caught.value.status_code, caught.value.code) == (404, 1005)
    assert caught.value.suggestion


def test_a_key_does_not_show_when_an_account_is_printed() -> None:
    account = Sandbox().demo
    assert account.key not in repr(account)
    assert "demo@" in repr(account)


def test_the_sync_client_works_inside_a_running_loop() -> None:
    sandbox = Sandbox()

    async def main() -> float:
        with sandbox.client() as client:
            return client.users.balance().balance

    assert asyncio.run(main()) == 1200.0
