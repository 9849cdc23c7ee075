"""One account's credits over many calls: shared between callers, watched, waited for. For tasks."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, closing
from copy import copy
from typing import TYPE_CHECKING, Protocol, TypeAlias

from triverse.api.polling import (
    OnError,
    Poll,
    PollSchedule,
    poll_balance,
    validate_amount,
    validate_max_age,
    validate_timeout,
)
from triverse.api.users import UserBalance
from triverse.clients.calls import SYSTEM
from triverse.clients.purse import waited_too_long
from triverse.core.api_errors import AuthenticationError
from triverse.core.errors import TriverseError
from triverse.core.options import Policy
from triverse.core.secret import Secret
from triverse.core.single_flight import CachedResult, PendingCall, SingleFlight

if TYPE_CHECKING:
    import anyio

__all__ = ["AsyncAsk", "AsyncDesk", "AsyncPurse"]


class AsyncAsk(Protocol):
    """Makes one call."""

    async def __call__(self, within: float, key: Secret | None = None) -> UserBalance:
        """Ask for the balance within so many seconds, with this key or the client's own."""
        ...


class AsyncPurse:
    """What `client.users` does with the balance beyond a single call."""

    __slots__ = ("_ask", "_current_key", "_desk", "_policy")

    def __init__(
        self,
        policy: Policy,
        desk: AsyncDesk,
        current_key: Callable[[float], Awaitable[Secret]],
        ask: AsyncAsk,
    ) -> None:
        self._policy = policy
        self._desk = desk
        self._current_key = current_key
        self._ask = ask

    async def shared(self, max_age: float) -> UserBalance:
        """The balance that this key's callers share. As for a call of its own, a 401 asks once for another key."""
        validate_max_age(max_age)
        until = time.monotonic() + (self._policy.deadline or math.inf)
        key = await self._current_key(until)
        try:
            return await self._desk.balance(key, max_age, until, self._ask)
        except AuthenticationError:
            renewed = await self._current_key(until)
            if renewed == key:
                raise
        return await self._desk.balance(renewed, max_age, until, self._ask)

    def watch(
        self, interval: float, min_interval: float | None, max_interval: float | None, on_error: OnError | None
    ) -> AsyncGenerator[UserBalance, None]:
        """The balance, and then each that differs from the one before."""
        return self._watch(PollSchedule.of(interval, min_interval, max_interval), math.inf, on_error)

    async def wait_for(self, at_least: float, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with so many credits available."""
        goal = validate_amount(at_least)
        return await self._wait(lambda now: now.covers(goal), timeout, interval)

    async def wait_until_settled(self, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with nothing frozen."""
        return await self._wait(lambda now: now.frozen <= 0, timeout, interval)

    async def _wait(self, done: Callable[[UserBalance], bool], timeout: float | None, interval: float) -> UserBalance:
        async with aclosing(self._watch(PollSchedule.for_waiting(interval), validate_timeout(timeout))) as balances:
            balance = await anext(balances)
            while not done(balance):
                balance = await anext(balances)
            return balance

    async def _watch(
        self, pace: PollSchedule, timeout: float, on_error: OnError | None = None
    ) -> AsyncGenerator[UserBalance, None]:
        with closing(poll_balance(pace, SYSTEM, timeout=timeout, on_error=on_error)) as flow:
            effect = next(flow)
            while True:
                if isinstance(effect, Poll):
                    effect = flow.send(await self._look(effect))
                else:
                    yield effect
                    effect = next(flow)

    async def _look(self, poll: Poll) -> UserBalance | TriverseError:
        import anyio  # noqa: PLC0415 - loaded with the wire, and not before

        await anyio.sleep(poll.after)
        try:
            return await self._ask(poll.within)
        except TriverseError as error:
            return error


if TYPE_CHECKING:
    Shared: TypeAlias = SingleFlight[UserBalance, anyio.Event]


class AsyncDesk:
    """Where callers of one client and all its views meet: in each event loop on their own."""

    def __init__(self) -> None:
        self._loops: weakref.WeakKeyDictionary[object, Shared] = weakref.WeakKeyDictionary()

    def _here(self) -> Shared:
        """What belongs to the running event loop."""
        import anyio  # noqa: PLC0415 - loaded with the wire, and not before

        from triverse.transport.event_loops import running_loop  # noqa: PLC0415 - as above

        return self._loops.setdefault(running_loop(), SingleFlight(anyio.Event))

    async def balance(self, key: Secret, max_age: float, until: float, ask: AsyncAsk) -> UserBalance:
        """An answer that is young enough, or the one under way, or a new one.

        Raises:
            DeadlineExceededError: none came until then.
        """
        sharing = self._here()
        while True:
            answer = sharing.fresh(key, max_age, time.monotonic())
            if answer is not None:
                return answer.value
            pending, leads = sharing.join(key)
            if leads:
                return await _lead(sharing, pending, ask(until - time.monotonic(), key))
            await _landing(pending, until)
            outcome = pending.outcome
            if isinstance(outcome, TriverseError):
                # A copy, since all who wait raise it, each in frames of its own.
                raise copy(outcome) from outcome
            if outcome is not None:
                return outcome.value


async def _landing(pending: PendingCall[UserBalance, anyio.Event], until: float) -> None:
    import anyio  # noqa: PLC0415 - loaded with the wire, and not before

    with anyio.move_on_after(until - time.monotonic()):
        await pending.done.wait()
    if not pending.done.is_set():
        raise waited_too_long()


async def _lead(
    sharing: Shared, pending: PendingCall[UserBalance, anyio.Event], answer: Awaitable[UserBalance]
) -> UserBalance:
    outcome: CachedResult[UserBalance] | TriverseError | None = None
    try:
        balance = await answer
        outcome = CachedResult(balance, time.monotonic())
    except TriverseError as error:
        outcome = error
        raise
    finally:
        sharing.finish(pending, outcome)
        pending.done.set()
    return balance
