"""User management: who the key belongs to, and how many credits there are.

Its page in the service's own documentation is "User Management".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Final
from uuid import UUID

from attrs import frozen

from triverse.core.request import Request
from triverse.core.result import Result

if TYPE_CHECKING:
    # Whoever imports this package waits for what it loads: what few calls need is loaded by them.
    from triverse.api.balance_change import BalanceChange
    from triverse.api.polling import OnError
    from triverse.api.protocols import AsyncPurse, AsyncSender, Purse, Sender

__all__ = ["AsyncUsers", "UserBalance", "UserInfo", "Users", "balance", "me"]


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

    def change_since(self, previous: UserBalance) -> BalanceChange:
        """What happened to the credits since an earlier balance, as far as two balances can tell."""
        from triverse.api.balance_change import compute_change  # noqa: PLC0415 - as above

        return compute_change((previous.balance, self.balance), (previous.frozen, self.frozen))


_ME: Final = Request("GET", "/users/me", UserInfo)
_BALANCE: Final = Request("GET", "/users/balance", UserBalance)


def me() -> Request[UserInfo]:
    """Describe `GET /users/me`: the account that the key belongs to."""
    return _ME


def balance() -> Request[UserBalance]:
    """Describe `GET /users/balance`: API credits, available and frozen."""
    return _BALANCE


class Users:
    """User management, as `client.users`."""

    __slots__ = ("_client", "_purse")

    def __init__(self, client: Sender, purse: Callable[[], Purse]) -> None:
        self._client = client
        self._purse = purse

    def me(self) -> UserInfo:
        """Ask who the key belongs to: `GET /users/me`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self._client.send(me()).data

    def balance(self, *, max_age: float | None = None) -> UserBalance:
        """Ask for the API credits, available and frozen: `GET /users/balance`.

        Args:
            max_age: share the answer with others who ask so, by the same key and over the same connections: one that is
                at most this many seconds old serves again, and who asks while a request is under way waits for its
                answer. None: a request of your own.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        if max_age is None:
            return self._client.send(balance()).data
        return self._purse().shared(max_age)

    def watch_balance(
        self,
        *,
        interval: float = 5.0,
        min_interval: float | None = None,
        max_interval: float | None = None,
        on_error: OnError | None = None,
    ) -> Generator[UserBalance, None, None]:
        """Give the balance, and from then on each that differs from the one before.

        It looks more often while credits are frozen, and less often while nothing happens. Errors that the client would
        retry are ridden out; any other ends the watch. Closing it ends it at once.

        Args:
            interval: seconds between two looks, usually.
            min_interval: at least so many seconds, while credits are frozen. Default: a fifth of `interval`.
            max_interval: at most so many seconds, while nothing happens. Default: twelve times `interval`.
            on_error: is called with each error that is ridden out.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.

        Example:
            ```python
            for balance in client.users.watch_balance():
                print(balance.balance, balance.frozen)
                if not balance.frozen:
                    break
            ```
        """
        return self._purse().watch(interval, min_interval, max_interval, on_error)

    def wait_for_balance(self, at_least: float, *, timeout: float | None = None, interval: float = 5.0) -> UserBalance:
        """Wait until so many credits are available, and give the balance.

        Args:
            at_least: available credits to wait for.
            timeout: seconds to wait, calls included. None: as long as it takes.
            interval: seconds between two looks; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was seen.
            TriverseError: what ends a watch; see `watch_balance()`.
        """
        return self._purse().wait_for(at_least, timeout, interval)

    def wait_until_settled(self, *, timeout: float | None = None, interval: float = 5.0) -> UserBalance:
        """Wait until no credits are frozen, and give the balance.

        Args:
            timeout: seconds to wait, calls included. None: as long as it takes.
            interval: seconds between two looks; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was seen.
            TriverseError: what ends a watch; see `watch_balance()`.
        """
        return self._purse().wait_until_settled(timeout, interval)


class AsyncUsers:
    """User management, as `client.users`."""

    __slots__ = ("_client", "_purse")

    def __init__(self, client: AsyncSender, purse: Callable[[], AsyncPurse]) -> None:
        self._client = client
        self._purse = purse

    async def me(self) -> UserInfo:
        """Ask who the key belongs to: `GET /users/me`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self._client.send(me())).data

    async def balance(self, *, max_age: float | None = None) -> UserBalance:
        """Ask for the API credits, available and frozen: `GET /users/balance`.

        Args:
            max_age: share the answer with others who ask so, by the same key and over the same connections: one that is
                at most this many seconds old serves again, and who asks while a request is under way waits for its
                answer. None: a request of your own.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        if max_age is None:
            return (await self._client.send(balance())).data
        return await self._purse().shared(max_age)

    def watch_balance(
        self,
        *,
        interval: float = 5.0,
        min_interval: float | None = None,
        max_interval: float | None = None,
        on_error: OnError | None = None,
    ) -> AsyncGenerator[UserBalance, None]:
        """Give the balance, and from then on each that differs from the one before.

        It looks more often while credits are frozen, and less often while nothing happens. Errors that the client would
        retry are ridden out; any other ends the watch. Closing it ends it at once.

        Args:
            interval: seconds between two looks, usually.
            min_interval: at least so many seconds, while credits are frozen. Default: a fifth of `interval`.
            max_interval: at most so many seconds, while nothing happens. Default: twelve times `interval`.
            on_error: is called with each error that is ridden out.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.

        Example:
            ```python
            async for balance in client.users.watch_balance():
                print(balance.balance, balance.frozen)
                if not balance.frozen:
                    break
            ```
        """
        return self._purse().watch(interval, min_interval, max_interval, on_error)

    async def wait_for_balance(
        self, at_least: float, *, timeout: float | None = None, interval: float = 5.0
    ) -> UserBalance:
        """Wait until so many credits are available, and give the balance.

        Args:
            at_least: available credits to wait for.
            timeout: seconds to wait, calls included. None: as long as it takes.
            interval: seconds between two looks; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was seen.
            TriverseError: what ends a watch; see `watch_balance()`.
        """
        return await self._purse().wait_for(at_least, timeout, interval)

    async def wait_until_settled(self, *, timeout: float | None = None, interval: float = 5.0) -> UserBalance:
        """Wait until no credits are frozen, and give the balance.

        Args:
            timeout: seconds to wait, calls included. None: as long as it takes.
            interval: seconds between two looks; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was seen.
            TriverseError: what ends a watch; see `watch_balance()`.
        """
        return await self._purse().wait_until_settled(timeout, interval)
