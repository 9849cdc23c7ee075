"""User management: the account that the key belongs to, and its credits.

The page of the service's documentation is "User Management".
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from attrs import frozen

from triverse.api.balance_change import BalanceChange, compute_change, exact_sum
from triverse.core.errors import TriverseError
from triverse.core.request import Request
from triverse.core.result import Result, Serializable

__all__ = ["AccountBalance", "UserBalance", "UserInfo", "balance", "me"]


@frozen
class UserInfo(Result):
    """The account that the key belongs to: the service's `UserInfo`, from `GET /users/me`.

    Attributes:
        id: unique identifier of the user.
        email: the user's e-mail address.
        web_credits_balance: credits for the web platform. API tasks cannot use them.
        api_credits_balance: API credits that are available, without the frozen ones.
        plan_name: name of the active subscription plan; None without one.
    """

    id: UUID
    email: str
    web_credits_balance: float
    api_credits_balance: float
    plan_name: str | None = None


@frozen
class UserBalance(Result):
    """API credits: the service's `UserBalance`, from `GET /users/balance`.

    Attributes:
        balance: credits that are available for new tasks.
        frozen: credits held for tasks that are running.
    """

    balance: float
    frozen: float

    @property
    def total(self) -> float:
        """Available and frozen credits together."""
        return exact_sum(self.balance, self.frozen)

    def covers(self, cost: float) -> bool:
        """Whether the available credits pay for a task of this cost."""
        return self.balance >= cost

    def change_since(self, previous: UserBalance) -> BalanceChange:
        """Return what happened to the credits since an earlier balance, as far as two balances show it."""
        return compute_change((previous.balance, self.balance), (previous.frozen, self.frozen))


@frozen
class AccountBalance(Serializable):
    """The result for one account of `client.balances()`: its balance, or the error of its call.

    Attributes:
        name: the name of the account in the mapping of keys.
        balance: its credits; None if there was an error.
        error: why there is no balance; None if there is one.
    """

    name: str
    balance: UserBalance | None = None
    error: TriverseError | None = None


_ME: Final = Request("GET", "/users/me", UserInfo)
_BALANCE: Final = Request("GET", "/users/balance", UserBalance)


def me() -> Request[UserInfo]:
    """Describe `GET /users/me`: the account that the key belongs to."""
    return _ME


def balance() -> Request[UserBalance]:
    """Describe `GET /users/balance`: API credits, available and frozen."""
    return _BALANCE
