"""Looking at a balance again and again: when to look, what is news, and which errors to ride out.

`watch()` is a generator like the exchange. It yields a `Poll`: wait, ask once, and send in the balance or the error
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
from triverse.core.errors import (
    APIError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    RequestTimeoutError,
    TriverseError,
)
from triverse.core.exchange import Surroundings
from triverse.core.options import MOST_SECONDS, positive_seconds
from triverse.core.retry import RETRIED
from triverse.core.text import repr_of

__all__ = ["OnError", "Pace", "Poll", "Watch", "checked_age", "checked_amount", "checked_timeout", "watch"]

_logger = logging.getLogger("triverse")

# Up to this much longer is each pause than it need be, lest many watchers look at once.
_CHANCE: Final = 0.25
# `Retry-After` is honoured up to here; a watch should not sleep for years because a server got its units wrong.
_LONGEST_ASKED: Final = 3600.0
# No look is begun with less than this many seconds left.
_LEAST_ROOM: Final = 0.02


@frozen
class Pace:
    """How often to look: seconds between two looks, usually, at least and at most."""

    interval: float
    min_interval: float
    max_interval: float

    @classmethod
    def of(cls, interval: float, min_interval: float | None, max_interval: float | None) -> Pace:
        """The pace around an interval; by default up to five times as fast, and twelve times as slow.

        Raises:
            ConfigurationError: not in that order, or no positive numbers.
        """
        positive_seconds("interval", interval)
        least = interval / 5 if min_interval is None else positive_seconds("min_interval", min_interval)
        most = (
            min(interval * 12, MOST_SECONDS) if max_interval is None else positive_seconds("max_interval", max_interval)
        )
        if least <= interval <= most:
            return cls(interval, least, most)
        message = f"interval={interval!r} must lie between min_interval={least!r} and max_interval={most!r}"
        raise ConfigurationError(message)

    @classmethod
    def steady(cls, interval: float) -> Pace:
        """The pace of someone who waits: never much slower than the interval.

        Raises:
            ConfigurationError: no positive number.
        """
        return cls.of(interval, None, min(positive_seconds("interval", interval) * (1 + _CHANCE), MOST_SECONDS))

    def next_pause(self, pause: float, outcome: UserBalance | TriverseError, *, news: bool) -> float:
        """The pause after this outcome, before chance has its say."""
        if isinstance(outcome, TriverseError):
            return min(self.max_interval, pause * 2)
        if outcome.frozen > 0:
            return self.min_interval
        return self.interval if news else min(self.max_interval, pause * 1.5)

    def wait(self, pause: float, jitter: float) -> float:
        """The pause, and some more by chance."""
        return min(self.max_interval, pause * (1 + jitter * _CHANCE))


@frozen
class Poll:
    """Wait, then ask for the balance once.

    Attributes:
        after: seconds to wait first.
        within: seconds that the asking may take, infinite where the client's own deadline is the only limit.
    """

    after: float = 0.0
    within: float = math.inf


Watch: TypeAlias = Generator[Poll | UserBalance, UserBalance | TriverseError, NoReturn]
OnError: TypeAlias = Callable[[TriverseError], object]


def watch(
    pace: Pace, surroundings: Surroundings, *, timeout: float = math.inf, on_error: OnError | None = None
) -> Watch:
    """Look at a balance for as long as it takes, or until the timeout.

    Raises:
        TriverseError: as the module says.
    """
    now = surroundings.monotonic
    limit = now() + timeout
    seen, pause, poll = None, pace.interval, Poll(within=timeout)
    while True:
        due = now() + poll.after
        outcome = yield poll
        room = max(_LEAST_ROOM, min(pace.min_interval, 2 * (now() - due)))
        news = not isinstance(outcome, TriverseError) and outcome != seen
        pause = pace.next_pause(pause, outcome, news=news)
        wait = pace.wait(pause, surroundings.jitter())
        if isinstance(outcome, TriverseError):
            asked = _asked_wait(outcome)
            wait, room = max(wait, asked), room + asked
            _ride_out(outcome, wait, on_error)
        else:
            seen = outcome
            if news:
                yield outcome
        left = limit - now()
        if left <= room:
            raise _time_is_up(timeout, seen) from (outcome if isinstance(outcome, TriverseError) else None)
        wait = min(wait, left - room)
        poll = Poll(wait, left - wait)


def _asked_wait(error: TriverseError) -> float:
    asked = error.retry_after if isinstance(error, APIError) else None
    return min(asked or 0.0, _LONGEST_ASKED)


def _ride_out(error: TriverseError, wait: float, on_error: OnError | None) -> None:
    """Tell of an error that will pass.

    Raises:
        TriverseError: this very one, if it will not.
    """
    if not _will_pass(error):
        raise error
    _logger.warning("The balance could not be read; asking again in %.2f s: %s", wait, error)
    if on_error is not None:
        on_error(error)


def _will_pass(error: TriverseError) -> bool:
    if isinstance(error, APIError):
        return error.status_code in RETRIED
    return isinstance(error, (ConnectionFailedError, RequestTimeoutError))


def _time_is_up(timeout: float, seen: UserBalance | None) -> DeadlineExceededError:
    last = (
        "no balance came at all" if seen is None else f"last seen: {seen.balance:g} available, {seen.frozen:g} frozen"
    )
    message = f"the credits were not as awaited within {timeout:g} s ({last}). Allow more time, or buy credits"
    return DeadlineExceededError(message, balance=seen)


def checked_age(max_age: float) -> float:
    """The age, if it is 0 or a positive number of seconds.

    Raises:
        ConfigurationError: it is not.
    """
    if _is_number(max_age) and max_age >= 0:
        return max_age
    message = f"max_age must be 0 or a positive number of seconds, not {repr_of(max_age)}"
    raise ConfigurationError(message)


def checked_timeout(timeout: float | None) -> float:
    """The timeout in seconds, infinite for none.

    Raises:
        ConfigurationError: it is no positive number.
    """
    return math.inf if timeout is None else positive_seconds("timeout", timeout)


def checked_amount(at_least: float) -> float:
    """The credits to wait for, if some balance could have them.

    Raises:
        ConfigurationError: it is no number.
    """
    if _is_number(at_least):
        return at_least
    message = f"at_least must be a number of credits, not {repr_of(at_least)}"
    raise ConfigurationError(message)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
