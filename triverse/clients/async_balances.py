"""The iterator that `AsyncTriverse.balances()` returns.

Apart from the workers, to which their background task refers, so that this object can be garbage-collected before they
end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from triverse.api.users import AccountBalance

__all__ = ["AsyncBalances"]


class Workers(Protocol):
    """Tasks that fetch balances."""

    async def next_result(self) -> AccountBalance:
        """Return the next result."""
        ...

    async def cancel_and_wait(self) -> None:
        """Cancel the tasks, wait for their end, and drop their results."""
        ...

    def cancel_soon(self) -> None:
        """Cancel the tasks from any thread, and do not wait."""
        ...


class AsyncBalances(AsyncIterator[AccountBalance]):
    """The iterator that `client.balances()` returns: each account's balance or error, in the order of their arrival.

    Breaking out of the loop cancels the pending requests when this object is garbage-collected. Use `async with` to
    cancel and wait at the end of the block.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AccountBalance:
        try:
            return await self._workers.next_result()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Cancel the pending requests, and end the iteration."""
        await self._workers.cancel_and_wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._workers.cancel_soon()
