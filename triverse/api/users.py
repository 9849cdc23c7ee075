"""User management: who the key belongs to, and how many credits there are.

The service's own page is <https://api.triverse.ai/docs>, section "User Management".
"""

from __future__ import annotations

from typing import Final, Protocol, TypeVar
from uuid import UUID

from attrs import frozen

from triverse.core.exchange import Response
from triverse.core.request import Request
from triverse.core.result import Result

__all__ = ["AsyncUsers", "UserBalance", "UserInfo", "Users", "balance", "me"]

T = TypeVar("T")


@frozen
class UserInfo(Result):
    """The account that the key belongs to: the service's `UserInfo`, from `GET /users/me`.

    Attributes:
        id: unique identifier of the user.
        email: the user's e-mail address.
        web_credits_balance: credits for the web platform. A purse of its own: API tasks cannot use it.
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
        return self.balance + self.frozen

    def covers(self, cost: float) -> bool:
        """Whether the available credits pay for a task of this cost."""
        return self.balance >= cost


_ME: Final = Request("GET", "/users/me", UserInfo)
_BALANCE: Final = Request("GET", "/users/balance", UserBalance)


def me() -> Request[UserInfo]:
    """Describe `GET /users/me`: the account that the key belongs to."""
    return _ME


def balance() -> Request[UserBalance]:
    """Describe `GET /users/balance`: API credits, available and frozen."""
    return _BALANCE


class Sender(Protocol):
    """What `Users` needs of a client."""

    def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...


class AsyncSender(Protocol):
    """What `AsyncUsers` needs of a client."""

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...


class Users:
    """User management, as `client.users`."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    def me(self) -> UserInfo:
        """Ask who the key belongs to: `GET /users/me`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self._client.send(me()).data

    def balance(self) -> UserBalance:
        """Ask for the API credits, available and frozen: `GET /users/balance`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self._client.send(balance()).data


class AsyncUsers:
    """User management, as `client.users`."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncSender) -> None:
        self._client = client

    async def me(self) -> UserInfo:
        """Ask who the key belongs to: `GET /users/me`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self._client.send(me())).data

    async def balance(self) -> UserBalance:
        """Ask for the API credits, available and frozen: `GET /users/balance`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self._client.send(balance())).data
