"""Accounts: whose key it is, its credits, its tasks and its uploads."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final
from uuid import UUID

from triverse.api.users import UserBalance, UserInfo
from triverse.core.api_errors import ConflictError
from triverse.core.secret import Secret
from triverse.sandbox.account_tasks import AccountTasks
from triverse.sandbox.environment import Environment
from triverse.sandbox.ledger import Hold, Ledger, to_fraction
from triverse.sandbox.uploads import Uploads

__all__ = ["KEY", "Account", "new_key"]

KEY: Final = re.compile("tv-sandbox-[0-9a-f]{32}")
"""The form of every key that a sandbox generates."""


class Account:
    """One account of the sandbox. `sandbox.add_account()` opens it.

    Attributes:
        key: its API key, which is valid in this sandbox only.
        revoked: whether the key is refused.
        id: unique identifier of the user.
        email: the user's e-mail address.
        plan_name: name of the active subscription plan; None without one.
        web_credits: credits for the web platform.
        tasks: its tasks, the oldest first.
        uploads: its uploaded files, the oldest first.
    """

    def __init__(  # noqa: PLR0913 - each is a property of the account
        self,
        environment: Environment,
        *,
        email: str,
        plan_name: str | None,
        api_credits: float,
        web_credits: float,
        key: str | None = None,
    ) -> None:
        self.email: str = email
        self.plan_name: str | None = plan_name
        self.web_credits: float = float(to_fraction(web_credits))
        self._ledger = Ledger(to_fraction(api_credits))
        self._holds: list[Hold] = []
        self.revoked: bool = False
        self.key: str = new_key(environment) if key is None else Secret(key).validated().reveal()
        self.id: UUID = environment.new_uuid()
        self.tasks: AccountTasks = AccountTasks(environment, self._ledger)
        self.uploads: Uploads = Uploads(environment, self.id)

    @property
    def info(self) -> UserInfo:
        """The result of `GET /users/me`."""
        return UserInfo(
            id=self.id,
            email=self.email,
            web_credits_balance=self.web_credits,
            api_credits_balance=self.balance.balance,
            plan_name=self.plan_name,
        )

    @property
    def balance(self) -> UserBalance:
        """The result of `GET /users/balance`."""
        self.tasks.update()
        available, frozen = self._ledger.amounts()
        return UserBalance(balance=available, frozen=frozen)

    @property
    def spent(self) -> float:
        """Credits that were deducted so far."""
        self.tasks.update()
        return self._ledger.spent

    def top_up(self, amount: float) -> None:
        """Buy API credits: `balance` rises.

        Raises:
            ConfigurationError: not a number of credits.
        """
        self._ledger.top_up(to_fraction(amount))

    def freeze(self, cost: float) -> Hold:
        """Freeze credits, as starting a task does: `balance` falls, `frozen` rises.

        Raises:
            InsufficientCreditsError: code 2010, as the service answers: fewer credits are available.
            ConfigurationError: not a number of credits.
        """
        hold = self._ledger.freeze(cost)
        self._holds.append(hold)
        return hold

    def release_holds(self) -> None:
        """Release what `freeze()` froze, as far as it is not settled."""
        while self._holds:
            with suppress(ConflictError):
                self._holds.pop().cancel()

    def __repr__(self) -> str:
        return f"Account(email={self.email!r}, plan_name={self.plan_name!r}, {self.balance!r})"


def new_key(environment: Environment) -> str:
    """Return the next key."""
    return f"tv-sandbox-{environment.random.getrandbits(128):032x}"
