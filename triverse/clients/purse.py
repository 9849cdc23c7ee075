"""One account's credits over many calls: shared between callers, watched, waited for. For threads."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from copy import copy
from typing import Protocol

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
from triverse.core.api_errors import AuthenticationError
from triverse.core.errors import DeadlineExceededError, TriverseError
from triverse.core.options import Policy
from triverse.core.secret import Secret
from triverse.core.single_flight import CachedResult, PendingCall, SingleFlight

__all__ = ["Ask", "Desk", "Purse", "waited_too_long"]


class Ask(Protocol):
    """Makes one call."""

    def __call__(self, within: float, key: Secret | None = None) -> UserBalance:
        """Ask for the balance within so many seconds, with this key or the client's own."""
        ...


class Purse:
    """What `client.users` does with the balance beyond a single call."""

    __slots__ = ("_ask", "_current_key", "_desk", "_policy")

    def __init__(self, policy: Policy, desk: Desk, current_key: Callable[[], Secret], ask: Ask) -> None:
        self._policy = policy
        self._desk = desk
        self._current_key = current_key
        self._ask = ask

    def shared(self, max_age: float) -> UserBalance:
        """The balance that this key's callers share. As for a call of its own, a 401 asks once for another key."""
        validate_max_age(max_age)
        until = time.monotonic() + (self._policy.deadline or math.inf)
        key = self._current_key()
        try:
            return self._desk.balance(key, max_age, until, self._ask)
        except AuthenticationError:
            renewed = self._current_key()
            if renewed == key:
                raise
        return self._desk.balance(renewed, max_age, until, self._ask)

    def watch(
        self, interval: float, min_interval: float | None, max_interval: float | None, on_error: OnError | None
    ) -> Generator[UserBalance, None, None]:
        """The balance, and then each that differs from the one before."""
        return self._watch(PollSchedule.of(interval, min_interval, max_interval), math.inf, on_error)

    def wait_for(self, at_least: float, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with so many credits available."""
        goal = validate_amount(at_least)
        return self._wait(lambda now: now.covers(goal), timeout, interval)

    def wait_until_settled(self, timeout: float | None, interval: float) -> UserBalance:
        """The first balance with nothing frozen."""
        return self._wait(lambda now: now.frozen <= 0, timeout, interval)

    def _wait(self, done: Callable[[UserBalance], bool], timeout: float | None, interval: float) -> UserBalance:
        with closing(self._watch(PollSchedule.for_waiting(interval), validate_timeout(timeout))) as balances:
            return next(filter(done, balances))

    def _watch(
        self, pace: PollSchedule, timeout: float, on_error: OnError | None = None
    ) -> Generator[UserBalance, None, None]:
        with closing(poll_balance(pace, SYSTEM, timeout=timeout, on_error=on_error)) as flow:
            effect = next(flow)
            while True:
                if isinstance(effect, Poll):
                    effect = flow.send(self._look(effect))
                else:
                    yield effect
                    effect = next(flow)

    def _look(self, poll: Poll) -> UserBalance | TriverseError:
        if poll.after:
            time.sleep(poll.after)
        try:
            return self._ask(poll.within)
        except TriverseError as error:
            return error


class Desk:
    """Where callers of one client and all its views meet. A child process begins with an empty one."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sharing: SingleFlight[UserBalance, threading.Event] = SingleFlight(threading.Event)

    def balance(self, key: Secret, max_age: float, until: float, ask: Ask) -> UserBalance:
        """An answer that is young enough, or the one under way, or a new one.

        Raises:
            DeadlineExceededError: none came until then.
        """
        if self._process != os.getpid():
            self._begin()
        while True:
            with self._lock:
                answer = self._sharing.fresh(key, max_age, time.monotonic())
                if answer is not None:
                    return answer.value
                pending, leads = self._sharing.join(key)
            if leads:
                return self._lead(pending, key, until, ask)
            if not pending.done.wait(min(until - time.monotonic(), threading.TIMEOUT_MAX)):
                raise waited_too_long()
            outcome = pending.outcome
            if isinstance(outcome, TriverseError):
                # A copy, since all who wait raise it at once, each in frames of its own.
                raise copy(outcome) from outcome
            if outcome is not None:
                return outcome.value

    def _lead(
        self, pending: PendingCall[UserBalance, threading.Event], key: Secret, until: float, ask: Ask
    ) -> UserBalance:
        outcome: CachedResult[UserBalance] | TriverseError | None = None
        try:
            balance = ask(until - time.monotonic(), key)
            outcome = CachedResult(balance, time.monotonic())
        except TriverseError as error:
            outcome = error
            raise
        finally:
            with self._lock:
                self._sharing.finish(pending, outcome)
            pending.done.set()
        return balance


def waited_too_long() -> DeadlineExceededError:
    """The error of a caller whose own deadline ran out while another's request was under way."""
    message = "the shared request for the balance took longer than this call's deadline: allow it more time"
    return DeadlineExceededError(message)
