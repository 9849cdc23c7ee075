"""The balances of many accounts in threads, for `Triverse.balances()`.

Each worker takes a slot, reads an account, sends its request and puts the result into a queue. The rules:

- The loop gives a slot back with each result that it takes, so at most `2 * size` accounts are read ahead of it.
- Each worker starts the next one. If the system cannot start another thread, there are fewer workers.
- When the loop is left, requests are aborted, nothing more is sent, and the workers end.
- A forked child has no workers: it cannot continue the loop, and leaving the loop there changes nothing.

The loop may run in the main thread, where a KeyboardInterrupt can arrive inside of any function written in Python. In
Event, Condition or `queue.Queue` it can leave a lock locked, or release one that is not held. So both queues are
`queue.SimpleQueue`, which is written in C, and `Thread.start()`, which uses an Event, is called in a thread of its own.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Final, TypeAlias

from triverse.api.users import AccountBalance
from triverse.core.errors import ConfigurationError, TransportError
from triverse.core.secret import KeySource
from triverse.transport.cancel import AbortedError, CancelToken

__all__ = ["FetchBalance", "iter_balances"]

FetchBalance: TypeAlias = Callable[[str, KeySource, CancelToken], AccountBalance]

# Seconds to wait for cancelled workers. They normally stop at once. One that uses a user's httpx.Client may take
# longer, but it sends nothing more.
_JOIN_TIMEOUT: Final = 0.5


def iter_balances(
    fetch: FetchBalance, keys: Mapping[str, KeySource], size: int
) -> Generator[AccountBalance, None, None]:
    """Yield each account's balance or error, in the order in which they arrive.

    Args:
        fetch: makes the call for one account. It raises nothing but `AbortedError`.
        keys: the accounts; read as they are needed.
        size: number of threads, and how many results may be waiting for the loop.
    """
    workers = _Workers(fetch, keys, size)
    del keys  # otherwise a traceback that shows variables would show the keys
    try:
        workers.start()
        yield from workers.results()
    finally:
        try:
            workers.stop()
        except BaseException:  # KeyboardInterrupt, at the last moment
            workers.stop()
            raise


class _Slot:
    """Permission to read one account."""


class _Workers:
    def __init__(self, fetch: FetchBalance, keys: Mapping[str, KeySource], size: int) -> None:
        self._fetch = fetch
        self._accounts = iter(keys.items())
        self._size = min(size, len(keys))
        self._process = os.getpid()
        self._context = copy_context()  # for the user's callables, which may read context variables
        self._cancel = CancelToken()
        self._threads: list[threading.Thread] = []
        self._reading = threading.Lock()
        self._failure: BaseException | None = None
        self._slots = SimpleQueue[_Slot | None]()  # None ends a worker
        self._results = SimpleQueue[AccountBalance | None]()  # None is put by a worker that ends

    def start(self) -> None:
        """Start the first worker.

        Raises:
            TransportError: the system cannot start a thread.
        """
        for _ in range(2 * self._size):
            self._slots.put(_Slot())
        try:
            _thread.start_new_thread(self._start_first, ())
        except RuntimeError as error:
            raise _no_thread(error) from error

    def _start_first(self) -> None:  # pragma: no cover - coverage does not trace threads of the `_thread` module
        try:
            self._start_next()
        except RuntimeError as error:
            self._failure = _no_thread(error)
            self._results.put(None)

    def _start_next(self) -> None:
        if len(self._threads) >= self._size or self._cancel.cancelled:
            return
        run = self._context.copy().run
        thread = threading.Thread(target=run, args=(self._work,), name="triverse-balances", daemon=True)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.remove(thread)
            raise

    def results(self) -> Generator[AccountBalance, None, None]:
        ended = 0
        while self._size and ended < max(1, len(self._threads)):
            if self._process != os.getpid():
                message = "a loop over balances() cannot be continued in a forked child. Call balances() again there"
                raise ConfigurationError(message)
            result = self._results.get()
            if result is None:
                ended += 1
            else:
                self._slots.put(_Slot())
                yield result
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            with suppress(RuntimeError):  # this and the earlier workers do the work
                self._start_next()
            while self._slots.get() and self._fetch_next():
                pass
        except AbortedError:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever the user's mapping raises is raised in the user's loop
            self._failure = error
        finally:
            self._results.put(None)

    def _fetch_next(self) -> bool:
        # A function of its own: if the user's mapping raises, no frame of the traceback holds the key before that.
        account = self._next()
        if account is None:
            return False
        self._results.put(self._fetch(*account, self._cancel))
        return True

    def _next(self) -> tuple[str, KeySource] | None:
        with self._reading:
            if self._cancel.cancelled or self._failure is not None:
                return None
            return next(self._accounts, None)

    def stop(self) -> None:
        """Abort what the workers do, and wait for their end."""
        if self._process != os.getpid():
            return
        self._cancel.cancel()
        for _ in range(self._size):
            self._slots.put(None)
        until = time.monotonic() + _JOIN_TIMEOUT
        for thread in tuple(self._threads):
            # The garbage collector may close the loop's generator in a worker.
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))


def _no_thread(error: RuntimeError) -> TransportError:
    how = "Allow this process more threads, or use AsyncTriverse, which needs none"
    return TransportError(f"balances() could not start a thread ({error}). {how}", cause=error)
