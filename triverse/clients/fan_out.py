"""The balances of many accounts, as the answers come. For threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from triverse.api.accounts import AccountBalance
from triverse.core.secret import KeySource

if TYPE_CHECKING:
    from triverse.transport.cancel import CancelToken

__all__ = ["each_balance"]

# How long to wait for threads to end after they were cut off. They do so at once, but for those that are just
# connecting or that use an HTTP client which is not ours to cut; these end by themselves, without sending any more.
_PATIENCE: Final = 0.5


def each_balance(
    ask: Callable[[str, KeySource], AccountBalance], keys: Mapping[str, KeySource], size: int, cancel: CancelToken
) -> Generator[AccountBalance, None, None]:
    """Each account's balance or error, in the order in which they come.

    Args:
        ask: asks for one account. It raises nothing but what cuts it off.
        keys: the accounts; read as they are needed.
        size: how many may be asked for at once, and how many answers may lie ready before the workers pause.
        cancel: ends what the workers do on the wire.
    """
    crew = Crew(ask, keys, size)
    try:
        crew.begin()
        yield from crew
    finally:
        crew.stop()
        cancel.cancel()
        crew.join()


class Crew:
    """Threads that ask for one account after another, and what they brought so far."""

    def __init__(
        self, ask: Callable[[str, KeySource], AccountBalance], keys: Mapping[str, KeySource], size: int
    ) -> None:
        self._ask = ask
        self._accounts = iter(keys.items())
        self._size = size
        self._working = min(size, len(keys))
        # A thread has its own copy of the context, for the user's callables that look there.
        self._threads = [
            threading.Thread(target=copy_context().run, args=(self._work,), name="triverse-balances", daemon=True)
            for _ in range(self._working)
        ]
        self._ready: deque[AccountBalance] = deque()
        self._failure: Exception | None = None
        self._stopped = False
        lock = threading.Lock()
        self._room, self._news = threading.Condition(lock), threading.Condition(lock)

    def begin(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[AccountBalance]:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._ready or not self._working)
                if not self._ready:
                    break
                account = self._ready.popleft()
                self._room.notify()
            yield account
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        from triverse.transport.cancel import AbortedError  # noqa: PLC0415 - loaded with the wire, and not before

        try:
            while (account := self._next()) is not None:
                self._bring(self._ask(*account))
        except AbortedError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever the user's mapping raised; the user is told
            self._failure = error
            self.stop()
        finally:
            with self._news:
                self._working -= 1
                self._news.notify()

    def _next(self) -> tuple[str, KeySource] | None:
        with self._room:
            self._room.wait_for(lambda: self._stopped or len(self._ready) < self._size)
            return None if self._stopped else next(self._accounts, None)

    def _bring(self, account: AccountBalance) -> None:
        with self._news:
            self._ready.append(account)
            self._news.notify()

    def stop(self) -> None:
        """Begin nothing more."""
        with self._room:
            self._stopped = True
            self._room.notify_all()

    def join(self) -> None:
        """Wait for the threads to end, within reason."""
        until = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
