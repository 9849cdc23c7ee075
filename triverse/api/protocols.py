"""What the namespaces need of a client. A resource knows no more of the clients than this."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Protocol, TypeVar

from triverse.api.polling import OnError
from triverse.api.users import UserBalance
from triverse.core.exchange import Response
from triverse.core.request import Request

__all__ = ["AsyncPurse", "AsyncSender", "Purse", "Sender"]

T = TypeVar("T")


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


class Purse(Protocol):
    """What `Users` needs for the balance beyond a single call."""

    def shared(self, max_age: float) -> UserBalance:
        """The balance, from one request for all who ask."""
        ...

    def watch(
        self, interval: float, min_interval: float | None, max_interval: float | None, on_error: OnError | None
    ) -> Generator[UserBalance, None, None]:
        """The balance, and then each that differs from the one before."""
        ...

    def wait_for(self, at_least: float, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with so many credits available."""
        ...

    def wait_until_settled(self, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with nothing frozen."""
        ...


class AsyncPurse(Protocol):
    """What `AsyncUsers` needs for the balance beyond a single call."""

    async def shared(self, max_age: float) -> UserBalance:
        """The balance, from one request for all who ask."""
        ...

    def watch(
        self, interval: float, min_interval: float | None, max_interval: float | None, on_error: OnError | None
    ) -> AsyncGenerator[UserBalance, None]:
        """The balance, and then each that differs from the one before."""
        ...

    async def wait_for(self, at_least: float, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with so many credits available."""
        ...

    async def wait_until_settled(self, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with nothing frozen."""
        ...
