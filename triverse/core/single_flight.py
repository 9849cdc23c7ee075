"""Single flight with a cache: concurrent callers with the same key share one request, and a recent result is reused.

Pure bookkeeping for the threads of a process or the tasks of one event loop. The rules:

- A result is reused while it is no older than the caller allows.
- The first caller without one becomes the leader and sends the request. Callers that come meanwhile wait for it.
- A result goes to all waiters. An error goes to those waiters whose calls have the same limits as the leader's, and is
  not kept: to a more patient caller, the error of a call with a short deadline means nothing.
- If the leader has no outcome, for example because it was cancelled, its waiters are woken and one of them leads.

No locks: each step is one operation on a dict or a list, which is atomic. A lock could be left locked by a
KeyboardInterrupt, which Python raises between any two instructions, and then every later caller would hang.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from attrs import define, field, frozen

from triverse.core.errors import TriverseError

__all__ = ["CachedResult", "PendingCall", "SingleFlight"]

T = TypeVar("T")

# Results of this many keys are kept; the oldest is forgotten first.
_MAX_ENTRIES: Final = 1024


@frozen
class CachedResult(Generic[T]):
    """A result, and the time of the monotonic clock when it was received."""

    value: T
    at: float


@define(eq=False)
class PendingCall(Generic[T]):
    """One request that is being made.

    Attributes:
        limits: the limits of the leader's call.
        outcome: the result or error; None while the request is being made, and for ever if the leader was cancelled.
        finished: whether the leader has ended.
        wake_ups: functions that wake the waiters.
    """

    limits: Hashable = None
    outcome: CachedResult[T] | TriverseError | None = None
    finished: bool = False
    wake_ups: list[Callable[[], object]] = field(factory=list[Callable[[], object]])

    def add_waiter(self, wake_up: Callable[[], object]) -> bool:
        """Register a function that wakes a waiter; return whether there is anything left to wait for."""
        self.wake_ups.append(wake_up)
        # In this order, so that the leader sees the new waiter or the waiter sees that the leader has ended.
        return not self.finished

    def outcome_for(self, limits: Hashable) -> CachedResult[T] | TriverseError | None:
        """Return the outcome for a waiter with these limits; None if it has to make the request itself."""
        if isinstance(self.outcome, TriverseError) and limits != self.limits:
            return None
        return self.outcome


class SingleFlight(Generic[T]):
    """The results and pending requests of many keys."""

    def __init__(self) -> None:
        self._results: dict[Hashable, CachedResult[T]] = {}
        self._pending: dict[Hashable, PendingCall[T]] = {}

    def get_fresh(self, key: Hashable, max_age: float, now: float) -> CachedResult[T] | None:
        """Return the last result if it is young enough."""
        result = self._results.get(key)
        return result if result is not None and now - result.at <= max_age else None

    def join(self, key: Hashable, call: PendingCall[T]) -> PendingCall[T]:
        """Return the pending request for this key. If there is none, it is `call`, and the caller is its leader."""
        return self._pending.setdefault(key, call)

    def finish(self, key: Hashable, call: PendingCall[T]) -> None:
        """End a request that this caller leads, keep its result and wake its waiters. Can be repeated."""
        if self._pending.get(key) is not call:
            return
        if isinstance(call.outcome, CachedResult):
            self._keep(key, call.outcome)
        call.finished = True
        for wake_up in call.wake_ups:
            wake_up()
        # Last, so that a repetition after an interruption wakes the waiters that were not woken.
        self._pending.pop(key, None)

    def _keep(self, key: Hashable, result: CachedResult[T]) -> None:
        self._results.pop(key, None)
        self._results[key] = result
        if len(self._results) > _MAX_ENTRIES:
            with suppress(KeyError, RuntimeError, StopIteration):  # another thread did the same
                del self._results[next(iter(self._results))]
