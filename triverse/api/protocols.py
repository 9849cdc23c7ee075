"""What the namespaces require of a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from typing import Protocol, TypeVar

from triverse.core.flow import Flow
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime

__all__ = ["AsyncSender", "ClosableAsyncIterator", "Sender"]

T = TypeVar("T")
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Sender(Protocol):
    """What a namespace of `Triverse` requires."""

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        ...

    def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...

    def shared(self, request: Request[T], max_age: float) -> T:
        """Return a result that is at most this many seconds old, from one request for all concurrent callers."""
        ...

    def run(self, flow: Flow[V, T]) -> T:
        """Run a flow to its end."""
        ...

    def iterate(self, flow: Flow[V, object]) -> Generator[V, None, None]:
        """Run a flow, and yield what it emits."""
        ...


class ClosableAsyncIterator(Protocol[V_co]):
    """An asynchronous iterator that can be closed before its end, as by `contextlib.aclosing()`."""

    def __aiter__(self) -> AsyncIterator[V_co]:
        """Return the iterator itself."""
        ...

    async def __anext__(self) -> V_co:
        """Return the next value."""
        ...

    async def aclose(self) -> None:
        """End the iteration."""
        ...


class AsyncSender(Protocol):
    """What a namespace of `AsyncTriverse` requires."""

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        ...

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...

    async def shared(self, request: Request[T], max_age: float) -> T:
        """Return a result that is at most this many seconds old, from one request for all concurrent callers."""
        ...

    async def run(self, flow: Flow[V, T]) -> T:
        """Run a flow to its end."""
        ...

    def iterate(self, flow: Flow[V, object]) -> ClosableAsyncIterator[V]:
        """Run a flow, and yield what it emits."""
        ...
