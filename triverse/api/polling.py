"""Looking at a balance again and again: when to look, what is news, and which errors to ride out.

`poll_balance()` is a generator like the exchange. It yields a `Poll`: wait, ask once, and send in the balance or the error
that came. And it yields balances: each is news, to be handed on to the user. The rules:

- The first balance is news, and so is each one that differs from the one before.
- While credits are frozen, looks are `min_interval` apart. After other news they are `interval` apart, and each look
  that finds nothing new makes the pause half as long again, up to `max_interval`. Up to a quarter is added by chance.
- An error that the client would retry is ridden out: each one doubles the pause. Any other error ends the watch.
- With a timeout: the last wait is cut so that one more look fits in. A `Retry-After` that does not fit ends the watch.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Generator
from typing import Final, NoReturn, TypeAlias

from attrs import frozen

from triverse.api.users import UserBalance
from triverse.core.api_errors import APIError
from triverse.core.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    RequestTimeoutError,
    TriverseError,
)
from triverse.core.exchange import Runtime
from triverse.core.options import MAX_SECONDS, positive_seconds
from triverse.core.retry import RETRYABLE_STATUS_CODES
from triverse.core.text import safe_repr

__all__ = [
    "OnError",
    "Poll",
    "PollFlow",
    "PollSchedule",
    "poll_balance",
    "validate_amount",
    "validate_max_age",
    "validate_timeout",
]

_logger = logging.getLogger("triverse")

# Up to this much longer is each pause than it need be, lest many watchers look at once.
_MAX_JITTER: Final = 0.25
# `Retry-After` is honoured up to here; a watch should not sleep for years because a server got its units wrong.
_MAX_RETRY_AFTER: Final = 3600.0
# No look is begun with less than this many seconds left.
_MIN_TIME_LEFT: Final = 0.02


@frozen
class PollSchedule:
    """How often to look: seconds between two looks, usually, at least and at most."""

    interval: float
    min_interval: float
    max_interval: float

    @classmethod
    def of(cls, interval: float, min_interval: float | None, max_interval: float | None) -> PollSchedule:
        """The pace around an interval; by default up to five times as fast, and twelve times as slow.

        Raises:
            ConfigurationError: not in that order, or no positive numbers.
        """
        positive_seconds("interval", interval)
        least = interval / 5 if min_interval is None else positive_seconds("min_interval", min_interval)
        most = (
            min(interval * 12, MAX_SECONDS) if max_interval is None else positive_seconds("max_interval", max_interval)
        )
        if least <= interval <= most:
            return cls(interval, least, most)
        message = f"interval={interval!r} must lie between min_interval={least!r} and max_interval={most!r}"
        raise ConfigurationError(message)

    @classmethod
    def for_waiting(cls, interval: float) -> PollSchedule:
        """The pace of someone who waits: never much slower than the interval.

        Raises:
            ConfigurationError: no positive number.
        """
        return cls.of(interval, None, min(positive_seconds("interval", interval) * (1 + _MAX_JITTER), MAX_SECONDS))

    def next_pause(self, pause: float, outcome: UserBalance | TriverseError, *, news: bool) -> float:
        """The pause after this outcome, before chance has its say."""
        if isinstance(outcome, TriverseError):
            return min(self.max_interval, pause * 2)
        if outcome.frozen > 0:
            return self.min_interval
        return self.interval if news else min(self.max_interval, pause * 1.5)

    def wait(self, pause: float, jitter: float) -> float:
        """The pause, and some more by chance."""
        return min(self.max_interval, pause * (1 + jitter * _MAX_JITTER))


@frozen
class Poll:
    """Wait, then ask for the balance once.

    Attributes:
        after: seconds to wait first.
        within: seconds that the asking may take, infinite where the client's own deadline is the only limit.
    """

    after: float = 0.0
    within: float = math.inf


PollFlow: TypeAlias = Generator[Poll | UserBalance, UserBalance | TriverseError, NoReturn]
OnError: TypeAlias = Callable[[TriverseError], object]


def poll_balance(
    pace: PollSchedule, runtime: Runtime, *, timeout: float = math.inf, on_error: OnError | None = None
) -> PollFlow:
    """Look at a balance for as long as it takes, or until the timeout.

    Raises:
        TriverseError: as the module says.
    """
    now = runtime.monotonic
    limit = now() + timeout
    seen, pause, poll = None, pace.interval, Poll(within=timeout)
    while True:
        due = now() + poll.after
        outcome = yield poll
        room = max(_MIN_TIME_LEFT, min(pace.min_interval, 2 * (now() - due)))
        news = not isinstance(outcome, TriverseError) and outcome != seen
        pause = pace.next_pause(pause, outcome, news=news)
        wait = pace.wait(pause, runtime.jitter())
        if isinstance(outcome, TriverseError):
            asked = _retry_after(outcome)
            wait, room = max(wait, asked), room + asked
            _report_or_raise(outcome, wait, on_error)
        else:
            seen = outcome
            if news:
                yield outcome
        left = limit - now()
        if left <= room:
            raise _timeout_error(timeout, seen) from (outcome if isinstance(outcome, TriverseError) else None)
        wait = min(wait, left - room)
        poll = Poll(wait, left - wait)


def _retry_after(error: TriverseError) -> float:
    asked = error.retry_after if isinstance(error, APIError) else None
    return min(asked or 0.0, _MAX_RETRY_AFTER)


def _report_or_raise(error: TriverseError, wait: float, on_error: OnError | None) -> None:
    """Tell of an error that will pass.

    Raises:
        TriverseError: this very one, if it will not.
    """
    if not _is_transient(error):
        raise error
    _logger.warning("The balance could not be read; asking again in %.2f s: %s", wait, error)
    if on_error is not None:
        on_error(error)


def _is_transient(error: TriverseError) -> bool:
    if isinstance(error, APIError):
        return error.status_code in RETRYABLE_STATUS_CODES
    return isinstance(error, (ConnectionFailedError, RequestTimeoutError))


def _timeout_error(timeout: float, seen: UserBalance | None) -> DeadlineExceededError:
    last = (
        "no balance came at all" if seen is None else f"last seen: {seen.balance:g} available, {seen.frozen:g} frozen"
    )
    message = f"the credits were not as awaited within {timeout:g} s ({last}). Allow more time, or buy credits"
    return DeadlineExceededError(message, balance=seen)


def validate_max_age(max_age: float) -> float:
    """The age, if it is 0 or a positive number of seconds.

    Raises:
        ConfigurationError: it is not.
    """
    if _is_number(max_age) and max_age >= 0:
        return max_age
    message = f"max_age must be 0 or a positive number of seconds, not {safe_repr(max_age)}"
    raise ConfigurationError(message)


def validate_timeout(timeout: float | None) -> float:
    """The timeout in seconds, infinite for none.

    Raises:
        ConfigurationError: it is no positive number.
    """
    return math.inf if timeout is None else positive_seconds("timeout", timeout)


def validate_amount(at_least: float) -> float:
    """The credits to wait for, if some balance could have them.

    Raises:
        ConfigurationError: it is no number.
    """
    if _is_number(at_least):
        return at_least
    message = f"at_least must be a number of credits, not {safe_repr(at_least)}"
    raise ConfigurationError(message)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
