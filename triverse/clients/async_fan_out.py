"""The balances of many accounts, as the answers come. For tasks.

A loop over an iterator may end at any point: by `break`, by an exception in its body, by cancellation. A task group
cannot be left open while that happens. So the workers live in a task of their own, which ends when they are done, when
the iteration is closed, or when nobody holds the iterator any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from triverse.api.accounts import AccountBalance
from triverse.core.errors import TransportError
from triverse.core.secret import AsyncKeySource

if TYPE_CHECKING:
    from types import TracebackType

    import anyio

    from triverse.transport.event_loops import BackgroundTask

__all__ = ["AsyncBalances"]


class AsyncBalances(AsyncIterator[AccountBalance]):
    """What `client.balances()` gives: each account's balance or error, in the order in which they come.

    Leaving the loop early cancels what is under way as soon as nothing refers to this object. `async with` says when
    that is: at the end of the block, all is over.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AccountBalance:
        try:
            return await self._crew.take()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Cancel what is under way, and end the iteration."""
        await self._crew.dismiss()

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
        self._crew.abandon()


class Crew:
    """Workers that ask for one account after another, and what they brought so far.

    Args:
        ask: asks for one account. It raises nothing but what cancels it.
        keys: the accounts; read as they are needed.
        size: how many may be asked for at once, and how many answers may lie ready before the workers pause.
    """

    _scope: anyio.CancelScope

    def __init__(
        self,
        ask: Callable[[str, AsyncKeySource], Awaitable[AccountBalance]],
        keys: Mapping[str, AsyncKeySource],
        size: int,
    ) -> None:
        self._ask = ask
        self._accounts = iter(keys.items())
        self._size = size
        self._workers = min(size, len(keys))
        self._ready: deque[AccountBalance] = deque()
        self._failure: Exception | None = None
        self._background: BackgroundTask | None = None
        self._working = self._over = False
        self._room, self._news = Bell(), Bell()

    async def take(self) -> AccountBalance:
        """The next that is ready.

        Raises:
            StopAsyncIteration: there are no more.
        """
        if self._background is None and not self._over:
            self._begin()
        while not self._ready:
            if self._over:
                raise self._failure or StopAsyncIteration
            await self._news.wait()
        self._room.ring()
        return self._ready.popleft()

    def _begin(self) -> None:
        import anyio  # noqa: PLC0415 - loaded with the wire, and not before

        from triverse.transport.event_loops import start_background_task  # noqa: PLC0415 - as above

        self._scope = anyio.CancelScope()
        self._background = start_background_task(self._run)

    async def _run(self) -> None:
        import anyio  # noqa: PLC0415 - loaded with the wire, and not before

        self._working = True
        self._failure = TransportError("the tasks that ask for balances were cancelled before they were done")
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for _ in range(self._workers):
                        tasks.start_soon(self._work)
            self._failure = None
        except ExceptionGroup as group:
            # Whatever the user's mapping raised. Those who iterate are told, when they have had the rest.
            self._failure = group.exceptions[0]
        finally:
            self._working, self._over = False, True
            self._news.ring()

    async def _work(self) -> None:
        for name, key in self._accounts:
            self._ready.append(await self._ask(name, key))
            self._news.ring()
            while len(self._ready) >= self._size:
                await self._room.wait()

    async def dismiss(self) -> None:
        """Cancel the workers, wait for their end, and drop what they brought."""
        import anyio  # noqa: PLC0415 - loaded with the wire, and not before

        if self._background is not None:
            self._scope.cancel()
        with anyio.CancelScope(shield=True):
            while self._working:
                await self._news.wait()
        self._over, self._failure = True, None
        self._ready.clear()

    def abandon(self) -> None:
        """Cancel the workers, from any thread, and do not wait."""
        if self._background is not None and not self._over:
            # Where the event loop is gone, so are they.
            with suppress(RuntimeError):
                self._background.call_soon(self._scope.cancel)


class Bell:
    """Wakes all who wait for it, again and again."""

    _event: anyio.Event | None = None

    async def wait(self) -> None:
        """Sleep until it rings."""
        import anyio  # noqa: PLC0415 - loaded with the wire, and not before

        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()

    def ring(self) -> None:
        """Wake them."""
        if self._event is not None:
            self._event.set()
            self._event = None
