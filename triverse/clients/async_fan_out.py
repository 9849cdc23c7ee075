"""The balances of many accounts in tasks, for `AsyncTriverse.balances()`.

A loop over an asynchronous iterator may end at any point: by `break`, by an exception in its body, by cancellation. A
task group cannot be left open while that happens. So the workers run in a background task, which ends when they are
done, when the iterator is closed, or when the iterator is garbage-collected.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

import anyio

from triverse.api.users import AccountBalance
from triverse.core.errors import ConfigurationError, TransportError
from triverse.core.secret import AsyncKeySource
from triverse.transport.event_loops import BackgroundTask, start_background_task

__all__ = ["AsyncFetchBalance", "BalanceWorkers"]

AsyncFetchBalance: TypeAlias = Callable[[str, AsyncKeySource], Awaitable[AccountBalance]]


class BalanceWorkers:
    """Tasks that make the call for one account after another, and their results.

    Args:
        fetch: makes the call for one account. It raises nothing but what cancels it.
        keys: the accounts; read as they are needed.
        size: number of tasks, and how many results may be waiting for the loop.
    """

    _scope: anyio.CancelScope
    _finished: anyio.Event

    def __init__(self, fetch: AsyncFetchBalance, keys: Mapping[str, AsyncKeySource], size: int) -> None:
        self._fetch = fetch
        self._accounts = iter(keys.items())
        self._size = min(size, len(keys))
        self._process = os.getpid()
        self._background: BackgroundTask | None = None
        self._running = self._closed = False
        self._failure: Exception | None = None

    async def next_result(self) -> AccountBalance:
        """Return the next result.

        Raises:
            StopAsyncIteration: there are no more.
        """
        if self._closed:
            raise StopAsyncIteration
        if self._process != os.getpid():
            message = "a loop over balances() cannot be continued in a forked child. Call balances() again there"
            raise ConfigurationError(message)
        if self._background is None:
            self._start()
        try:
            return await self._receiver.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):  # the latter if another task has closed the iterator
            raise self._failure or StopAsyncIteration from None

    def _start(self) -> None:
        self._scope, self._finished = anyio.CancelScope(), anyio.Event()
        self._sender, self._receiver = anyio.create_memory_object_stream[AccountBalance](self._size)
        self._background = start_background_task(self._run)

    async def _run(self) -> None:
        self._running = True
        self._failure = TransportError("the tasks of balances() were cancelled before they were done")
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for _ in range(0 if self._closed else self._size):
                        tasks.start_soon(self._work)
            self._failure = None
        except ExceptionGroup as group:
            # Whatever the user's mapping raised. The loop gets it after the results that are ready.
            self._failure = group.exceptions[0]
        finally:
            self._running = False
            self._sender.close()
            self._finished.set()

    async def _work(self) -> None:
        for name, key in self._accounts:
            await self._sender.send(await self._fetch(name, key))
            del key  # if the user's mapping raises, a traceback that shows variables would show it

    async def cancel_and_wait(self) -> None:
        """Cancel the workers, wait for their end, and drop their results."""
        self._closed = True
        if self._background is None or self._process != os.getpid():
            return
        self._scope.cancel()
        try:
            if self._running:
                with anyio.CancelScope(shield=True):
                    await self._finished.wait()
        finally:
            self._close_streams()  # also if asyncio cancels this task once more, which no shield prevents

    def _close_streams(self) -> None:
        # Otherwise anyio warns of each when it is garbage-collected.
        self._sender.close()
        self._receiver.close()

    def cancel_soon(self) -> None:
        """Cancel the workers from any thread, and do not wait."""
        if self._background is None or self._closed:
            return
        self._closed = True
        if self._process == os.getpid():
            with suppress(RuntimeError):  # the event loop is closed, and with it the tasks
                self._background.call_soon(self._cancel)
                return
        with suppress(RuntimeError):  # a task of that loop is waiting in the stream
            self._close_streams()

    def _cancel(self) -> None:
        self._scope.cancel()
        self._close_streams()
