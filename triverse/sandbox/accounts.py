"""Accounts, and the holds on their credits."""

from __future__ import annotations

import re
from random import Random
from typing import Final
from uuid import UUID

from triverse.api.users import UserBalance, UserInfo
from triverse.sandbox.ledger import Ledger, exactly

__all__ = ["KEY", "Account", "Hold", "new_account", "new_key"]


class Account:
    """One account of the sandbox. `sandbox.add_account()` opens it.

    Attributes:
        key: its API key, which opens nothing but the sandbox.
        revoked: whether the key opens nothing any more.
        id: unique identifier of the user.
        email: the user's e-mail address.
        plan_name: name of the active subscription plan; None without one.
        web_credits: credits for the web platform.
    """

    def __init__(  # noqa: PLR0913 - one argument for each thing that an account has
        self,
        *,
        key: str,
        user_id: UUID,
        email: str,
        plan_name: str | None,
        api_credits: float,
        web_credits: float,
    ) -> None:
        self.key: str = key
        self.revoked: bool = False
        self.id: UUID = user_id
        self.email: str = email
        self.plan_name: str | None = plan_name
        self.web_credits: float = float(exactly(web_credits))
        self._ledger = Ledger(exactly(api_credits))

    @property
    def info(self) -> UserInfo:
        """What `GET /users/me` answers."""
        return UserInfo(
            id=self.id,
            email=self.email,
            web_credits_balance=self.web_credits,
            api_credits_balance=self.balance.balance,
            plan_name=self.plan_name,
        )

    @property
    def balance(self) -> UserBalance:
        """What `GET /users/balance` answers."""
        available, frozen = self._ledger.amounts()
        return UserBalance(balance=available, frozen=frozen)

    def top_up(self, amount: float) -> None:
        """Buy API credits: `balance` rises.

        Raises:
            ConfigurationError: not a number of credits.
        """
        self._ledger.top_up(exactly(amount))

    def freeze(self, cost: float) -> Hold:
        """Freeze what a task costs, as starting one does: `balance` falls, `frozen` rises.

        Raises:
            InsufficientCreditsError: code 2010, as the service answers: fewer credits are available.
            ConfigurationError: not a number of credits.
        """
        hold = Hold(self._ledger, cost)
        self._ledger.freeze(hold, exactly(cost))
        return hold

    def __repr__(self) -> str:
        return f"Account(email={self.email!r}, plan_name={self.plan_name!r}, {self.balance!r})"


class Hold:
    """Credits frozen for one task. It is settled once, in one of three ways.

    Attributes:
        cost: how many credits.
    """

    def __init__(self, ledger: Ledger, cost: float) -> None:
        self.cost = cost
        self._ledger = ledger

    def succeed(self) -> None:
        """The task succeeds: the credits are deducted; `frozen` falls.

        Raises:
            ConflictError: it is settled already.
        """
        self._ledger.settle(self, deduct=True)

    def fail(self) -> None:
        """The task fails: the credits are released; `frozen` falls, `balance` rises.

        Raises:
            ConflictError: it is settled already.
        """
        self._ledger.settle(self, deduct=False)

    def cancel(self) -> None:
        """The task is cancelled: the credits are released; `frozen` falls, `balance` rises.

        Raises:
            ConflictError: it is settled already.
        """
        self._ledger.settle(self, deduct=False)


# What every key looks like that a sandbox makes.
KEY: Final = re.compile("tv-sandbox-[0-9a-f]{32}")


def new_key(random: Random) -> str:
    """A key out of this source of chance."""
    return f"tv-sandbox-{random.getrandbits(128):032x}"


def new_account(random: Random, email: str, plan_name: str | None, api_credits: float, web_credits: float) -> Account:
    """An account with an id and a key out of this source of chance."""
    return Account(
        key=new_key(random),
        user_id=UUID(int=random.getrandbits(128), version=4),
        email=email,
        plan_name=plan_name,
        api_credits=api_credits,
        web_credits=web_credits,
    )
