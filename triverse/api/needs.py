"""What the namespaces need of a client. A resource knows no more of the clients than this."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Protocol, TypeVar

from triverse.api.watch import OnError, Pace
from triverse.core.exchange import Response
from triverse.core.request import Request

if TYPE_CHECKING:
    # The namespaces over there are built on this.
    from triverse.api.users import UserBalance

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
        self, pace: Pace, timeout: float = math.inf, on_error: OnError | None = None
    ) -> Generator[UserBalance, None, None]:
        """The balance, and then each that differs from the one before."""
        ...

    def wait(self, done: Callable[[UserBalance], bool], pace: Pace, timeout: float) -> UserBalance:
        """The first balance of which this is true."""
        ...


class AsyncPurse(Protocol):
    """What `AsyncUsers` needs for the balance beyond a single call."""

    async def shared(self, max_age: float) -> UserBalance:
        """The balance, from one request for all who ask."""
        ...

    def watch(
        self, pace: Pace, timeout: float = math.inf, on_error: OnError | None = None
    ) -> AsyncGenerator[UserBalance, None]:
        """The balance, and then each that differs from the one before."""
        ...

    async def wait(self, done: Callable[[UserBalance], bool], pace: Pace, timeout: float) -> UserBalance:
        """The first balance of which this is true."""
        ...
