"""Polling one request: when to send it, which results to hand on, and which errors to tolerate.

`poll()` is a flow of the effects in `core.flow`. The rules:

- The first result is emitted, and so is each one that differs from the one before.
- While a result is busy (credits are frozen), polls are `min_interval` apart. After any other change they are
  `interval` apart, and each poll without a change makes the pause half as long again, up to `max_interval`. Up to a
  quarter is added at random, so that many pollers do not run in step.
- Errors that a call would retry are passed to `on_error`, and each one doubles the pause. Any other error is raised.
- With a timeout, the last pause is shortened so that one more poll fits in. If a `Retry-After` does not fit, polling
  ends at once.
- Log records contain no text of the service: it may be private.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from attrs import field, frozen

from triverse.core.api_errors import APIError
from triverse.core.errors import ConfigurationError, TriverseError
from triverse.core.flow import Call, CallResult, Effect, Emit, Notify
from triverse.core.options import MAX_SECONDS, positive_seconds
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.retry import is_transient
from triverse.core.runtime import Runtime
from triverse.core.text import safe_repr

__all__ = [
    "OnError",
    "PollFlow",
    "PollSchedule",
    "PollTask",
    "poll",
    "validate_amount",
    "validate_max_age",
    "validate_timeout",
]

T = TypeVar("T")

OnError: TypeAlias = Callable[[TriverseError], object]
PollFlow: TypeAlias = Generator[Effect[T], "CallResult[object] | None", T]

_logger = logging.getLogger("triverse")

# Random extra on each pause.
_MAX_JITTER: Final = 0.25
# A larger `Retry-After` is more likely a mistake of units than meant.
_MAX_RETRY_AFTER: Final = 3600.0
# No poll is sent with fewer seconds left.
_MIN_TIME_LEFT: Final = 0.02


@frozen
class PollSchedule:
    """Seconds between two polls: normally, at least and at most."""

    interval: float
    min_interval: float
    max_interval: float

    @classmethod
    def of(cls, interval: float, min_interval: float | None, max_interval: float | None) -> PollSchedule:
        """Return the schedule around an interval; by default up to five times as fast, and twelve times as slow.

        Raises:
            ConfigurationError: an interval is not a positive number, or they are not in order.
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
        """Return the schedule of a wait: never much slower than the interval.

        Raises:
            ConfigurationError: the interval is not a positive number.
        """
        return cls.of(interval, None, min(positive_seconds("interval", interval) * (1 + _MAX_JITTER), MAX_SECONDS))

    def pause_after_error(self, pause: float) -> float:
        """Return the next pause after an error, before jitter."""
        return min(self.max_interval, pause * 2)

    def pause_after_result(self, pause: float, *, busy: bool, changed: bool) -> float:
        """Return the next pause after a result, before jitter."""
        if busy:
            return self.min_interval
        return self.interval if changed else min(self.max_interval, pause * 1.5)

    def with_jitter(self, pause: float, jitter: float) -> float:
        """Return the pause with a random extra."""
        return min(self.max_interval, pause * (1 + jitter * _MAX_JITTER))


@frozen(kw_only=True)
class PollTask(Generic[T]):
    """What to poll, and until when.

    Attributes:
        request: the request to send each time.
        busy: whether a result is likely to change soon.
        done: whether a result ends the polling, which then returns it; by default, none does and all are emitted.
        timeout: seconds until the polling fails.
        timeout_error: the error of a timeout, made from the timeout and the last result.
        on_error: called with each tolerated error.
    """

    request: Request[T]
    busy: Callable[[T], bool]
    done: Callable[[T], bool] | None = None
    timeout: float = math.inf
    timeout_error: Callable[[float, T | None], TriverseError] = field()
    on_error: OnError | None = None


def poll(task: PollTask[T], schedule: PollSchedule, runtime: Runtime) -> PollFlow[T]:
    """Poll until a result ends it, or until the timeout.

    Raises:
        TriverseError: by the rules at the head of this module.
    """
    now = runtime.monotonic
    limit = now() + task.timeout
    last, seen, pause, call = None, False, schedule.interval, Call(task.request, within=task.timeout)
    while True:
        due = now() + call.after
        outcome = yield call
        reserve = max(_MIN_TIME_LEFT, min(schedule.min_interval, 2 * (now() - due)))
        if isinstance(outcome, TriverseError):
            pause = schedule.pause_after_error(pause)
            requested = _requested_wait(outcome)
            wait, reserve = max(schedule.with_jitter(pause, runtime.jitter()), requested), reserve + requested
            yield from _report_or_raise(outcome, wait, task.on_error)
        else:
            result = cast("Response[T]", outcome).data
            changed, last, seen = not seen or result != last, result, True
            if task.done is not None and task.done(result):
                return result
            pause = schedule.pause_after_result(pause, busy=task.busy(result), changed=changed)
            wait = schedule.with_jitter(pause, runtime.jitter())
            if changed and task.done is None:
                yield Emit(result)
        left = limit - now()
        if left <= reserve:
            raise task.timeout_error(task.timeout, last) from (outcome if isinstance(outcome, TriverseError) else None)
        wait = min(wait, left - reserve)
        call = Call(task.request, wait, left - wait)


def _requested_wait(error: TriverseError) -> float:
    requested = error.retry_after if isinstance(error, APIError) else None
    return min(requested or 0.0, _MAX_RETRY_AFTER)


def _report_or_raise(
    error: TriverseError, wait: float, on_error: OnError | None
) -> Generator[Notify, Any, None]:  # Any: nothing that is sent in is used
    if not is_transient(error):
        raise error
    kind = f"HTTP {error.status_code}" if isinstance(error, APIError) else type(error).__name__
    _logger.warning("Polling failed (%s); polling again in %.2f s", kind, wait)
    if on_error is not None:
        yield Notify("on_error", on_error, error)


def validate_max_age(max_age: float) -> float:
    """Return the age if it is 0 or a positive number of seconds.

    Raises:
        ConfigurationError: it is not.
    """
    if _is_number(max_age) and max_age >= 0:
        return max_age
    message = f"max_age must be 0 or a positive number of seconds, not {safe_repr(max_age)}"
    raise ConfigurationError(message)


def validate_timeout(timeout: float | None) -> float:
    """Return the timeout in seconds, infinite for None.

    Raises:
        ConfigurationError: it is not a positive number.
    """
    return math.inf if timeout is None else positive_seconds("timeout", timeout)


def validate_amount(at_least: float) -> float:
    """Return the number of credits to wait for.

    Raises:
        ConfigurationError: it is not a number.
    """
    if _is_number(at_least):
        return at_least
    message = f"at_least must be a number of credits, not {safe_repr(at_least)}"
    raise ConfigurationError(message)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
