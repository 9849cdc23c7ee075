"""The namespace `client.users` of both clients: the requests of `users`, shared and polled."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator
from typing import TypeAlias

from triverse.api.polling import (
    OnError,
    PollSchedule,
    PollTask,
    poll,
    validate_amount,
    validate_max_age,
    validate_timeout,
)
from triverse.api.protocols import AsyncSender, ClosableAsyncIterator, Sender
from triverse.api.users import UserBalance, UserInfo, balance, me
from triverse.core.callbacks import check_callback
from triverse.core.errors import DeadlineExceededError, TriverseError

__all__ = ["AsyncUsers", "Users"]

AsyncOnError: TypeAlias = Callable[[TriverseError], Awaitable[object] | object]


def _watch(
    done: Callable[[UserBalance], bool] | None, timeout: float, on_error: OnError | None
) -> PollTask[UserBalance]:
    return PollTask(
        request=balance(),
        busy=lambda now: now.frozen > 0,
        done=done,
        timeout=timeout,
        timeout_error=_timeout_error,
        on_error=on_error,
    )


def _timeout_error(timeout: float, last: UserBalance | None) -> DeadlineExceededError:
    seen = (
        "no balance received" if last is None else f"last balance: {last.balance:g} available, {last.frozen:g} frozen"
    )
    message = f"timed out after {timeout:g} s waiting for credits ({seen}). Allow more time, or buy credits"
    return DeadlineExceededError(message, balance=last)


def _wait_for_balance(at_least: float, timeout: float | None) -> PollTask[UserBalance]:
    goal = validate_amount(at_least)
    return _watch(lambda now: now.covers(goal), validate_timeout(timeout), None)


def _wait_until_settled(timeout: float | None) -> PollTask[UserBalance]:
    return _watch(lambda now: now.frozen <= 0, validate_timeout(timeout), None)


class Users:
    """User management, as `client.users`."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    def me(self) -> UserInfo:
        """Return the account that the key belongs to: `GET /users/me`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self._client.send(me()).data

    def balance(self, *, max_age: float | None = None) -> UserBalance:
        """Return the API credits, available and frozen: `GET /users/balance`.

        Args:
            max_age: accept a balance up to this many seconds old, and share one request among concurrent callers that
                use the same key. None (default): always send a request.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        if max_age is None:
            return self._client.send(balance()).data
        return self._client.shared(balance(), validate_max_age(max_age))

    def watch_balance(
        self,
        *,
        interval: float = 5.0,
        min_interval: float | None = None,
        max_interval: float | None = None,
        on_error: OnError | None = None,
    ) -> Generator[UserBalance, None, None]:
        """Yield the balance, and then each balance that differs from the one before.

        Polls faster while credits are frozen, slower while nothing changes. Retryable errors are passed to `on_error`
        and polling goes on; any other error is raised. Leaving the loop, or closing the generator, ends it at once.

        Args:
            interval: seconds between two polls after a change.
            min_interval: seconds between two polls while credits are frozen. Default: a fifth of `interval`.
            max_interval: most seconds between two polls. Default: twelve times `interval`.
            on_error: called with each error after which polling goes on.

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
        check_callback("on_error", on_error, may_be_async=False)
        schedule = PollSchedule.of(interval, min_interval, max_interval)
        return self._client.iterate(poll(_watch(None, math.inf, on_error), schedule, self._client.runtime))

    def wait_for_balance(self, at_least: float, *, timeout: float | None = None, interval: float = 5.0) -> UserBalance:
        """Wait until at least this many credits are available, and return the balance.

        Args:
            at_least: available credits to wait for.
            timeout: seconds to wait, calls included; None for no limit.
            interval: seconds between two polls; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was received.
            TriverseError: an error that is not retryable; see `watch_balance()`.
        """
        task, schedule = _wait_for_balance(at_least, timeout), PollSchedule.for_waiting(interval)
        return self._client.run(poll(task, schedule, self._client.runtime))

    def wait_until_settled(self, *, timeout: float | None = None, interval: float = 5.0) -> UserBalance:
        """Wait until no credits are frozen, and return the balance.

        Args:
            timeout: seconds to wait, calls included; None for no limit.
            interval: seconds between two polls; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was received.
            TriverseError: an error that is not retryable; see `watch_balance()`.
        """
        task, schedule = _wait_until_settled(timeout), PollSchedule.for_waiting(interval)
        return self._client.run(poll(task, schedule, self._client.runtime))


class AsyncUsers:
    """User management, as `client.users`."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncSender) -> None:
        self._client = client

    async def me(self) -> UserInfo:
        """Return the account that the key belongs to: `GET /users/me`.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self._client.send(me())).data

    async def balance(self, *, max_age: float | None = None) -> UserBalance:
        """Return the API credits, available and frozen: `GET /users/balance`.

        Args:
            max_age: accept a balance up to this many seconds old, and share one request among concurrent callers that
                use the same key. None (default): always send a request.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        if max_age is None:
            return (await self._client.send(balance())).data
        return await self._client.shared(balance(), validate_max_age(max_age))

    def watch_balance(
        self,
        *,
        interval: float = 5.0,
        min_interval: float | None = None,
        max_interval: float | None = None,
        on_error: AsyncOnError | None = None,
    ) -> ClosableAsyncIterator[UserBalance]:
        """Yield the balance, and then each balance that differs from the one before.

        Polls faster while credits are frozen, slower while nothing changes. Retryable errors are passed to `on_error`
        and polling goes on; any other error is raised. Between two polls nothing is running, so the loop can be left at
        any time.

        Args:
            interval: seconds between two polls after a change.
            min_interval: seconds between two polls while credits are frozen. Default: a fifth of `interval`.
            max_interval: most seconds between two polls. Default: twelve times `interval`.
            on_error: called with each error after which polling goes on. It may be async.

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
        check_callback("on_error", on_error, may_be_async=True)
        schedule = PollSchedule.of(interval, min_interval, max_interval)
        return self._client.iterate(poll(_watch(None, math.inf, on_error), schedule, self._client.runtime))

    async def wait_for_balance(
        self, at_least: float, *, timeout: float | None = None, interval: float = 5.0
    ) -> UserBalance:
        """Wait until at least this many credits are available, and return the balance.

        Args:
            at_least: available credits to wait for.
            timeout: seconds to wait, calls included; None for no limit.
            interval: seconds between two polls; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was received.
            TriverseError: an error that is not retryable; see `watch_balance()`.
        """
        task, schedule = _wait_for_balance(at_least, timeout), PollSchedule.for_waiting(interval)
        return await self._client.run(poll(task, schedule, self._client.runtime))

    async def wait_until_settled(self, *, timeout: float | None = None, interval: float = 5.0) -> UserBalance:
        """Wait until no credits are frozen, and return the balance.

        Args:
            timeout: seconds to wait, calls included; None for no limit.
            interval: seconds between two polls; a fifth of that while credits are frozen.

        Raises:
            DeadlineExceededError: the timeout ran out; `.balance` is the last balance that was received.
            TriverseError: an error that is not retryable; see `watch_balance()`.
        """
        task, schedule = _wait_until_settled(timeout), PollSchedule.for_waiting(interval)
        return await self._client.run(poll(task, schedule, self._client.runtime))
