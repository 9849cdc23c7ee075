"""One answer for many who ask the same: who is to ask, who waits, and what is fresh enough to serve again.

Pure bookkeeping, for one event loop or under one lock. The rules:

- An answer serves again while it is no older than the caller allows.
- While someone asks, those who come for the same wait for that answer. An error goes to all who wait, and is not kept.
- Who asks and leaves without an outcome, cancelled for one, takes nobody along: the next one asks instead.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from attrs import define, frozen

from triverse.core.errors import TriverseError

__all__ = ["CachedResult", "PendingCall", "SingleFlight"]

T = TypeVar("T")
S = TypeVar("S")

# Answers of this many keys are remembered; those that came first are forgotten first.
_MAX_ENTRIES: Final = 1024


@frozen
class CachedResult(Generic[T]):
    """What came, and when."""

    value: T
    at: float


@define(eq=False)
class PendingCall(Generic[T, S]):
    """One request under way.

    Attributes:
        key: whose answer it brings.
        landed: what wakes those who wait.
        outcome: what came; None before that, and for good if whoever asked left.
    """

    key: Hashable
    done: S
    outcome: CachedResult[T] | TriverseError | None = None


class SingleFlight(Generic[T, S]):
    """The answers and requests of many keys, which never see each other's.

    Args:
        signal: makes what wakes those who wait: an event of a thread's or a task's kind.
    """

    def __init__(self, signal: Callable[[], S]) -> None:
        self._signal = signal
        self._answers: dict[Hashable, CachedResult[T]] = {}
        self._flights: dict[Hashable, PendingCall[T, S]] = {}

    def fresh(self, key: Hashable, max_age: float, now: float) -> CachedResult[T] | None:
        """The last answer, if it is young enough."""
        answer = self._answers.get(key)
        return answer if answer is not None and now - answer.at <= max_age else None

    def join(self, key: Hashable) -> tuple[PendingCall[T, S], bool]:
        """The request under way for this key, and whether the caller is the one to make it."""
        pending = self._flights.get(key)
        if pending is not None:
            return pending, False
        pending = self._flights[key] = PendingCall(key, self._signal())
        return pending, True

    def finish(self, pending: PendingCall[T, S], outcome: CachedResult[T] | TriverseError | None) -> None:
        """Note what came of a request. Whoever calls this wakes the waiters next."""
        del self._flights[pending.key]
        pending.outcome = outcome
        if isinstance(outcome, CachedResult):
            self._answers.pop(pending.key, None)
            self._answers[pending.key] = outcome
        if len(self._answers) > _MAX_ENTRIES:
            del self._answers[next(iter(self._answers))]
