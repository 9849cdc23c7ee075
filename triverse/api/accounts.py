"""How one of many accounts stands."""

from __future__ import annotations

from attrs import frozen

from triverse.api.users import UserBalance
from triverse.core.errors import TriverseError
from triverse.core.result import Serializable

__all__ = ["AccountBalance"]


@frozen
class AccountBalance(Serializable):
    """One account's answer from `client.balances()`: its balance, or the error that came instead.

    Attributes:
        name: what the account is called in the mapping of keys.
        balance: its credits; None if there was an error.
        error: why there is no balance; None if there is one.
    """

    name: str
    balance: UserBalance | None = None
    error: TriverseError | None = None
