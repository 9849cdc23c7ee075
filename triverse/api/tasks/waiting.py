"""Waiting for a task: when to poll it, which errors to tolerate, and how the wait ends. `schedule` places the polls.

`wait_flow()` is a generator of the effects in `core.flow`. The rules:

- A wait for a task that was just created starts with a pause, any other with a poll. There is at least one poll.
- Each poll is one attempt. Polls are at least a second apart, and `Retry-After` replaces the pause of the schedule.
- A timeout of 0 seconds means exactly one poll, which only the limits of single calls bound.
- The last poll is made right before the timeout. If a `Retry-After` does not fit before it, the wait ends at once.
- Errors that a call would retry are tolerated until the timeout, and so are three invalid responses in a row. A 404
  is tolerated for some seconds after a creation. Any other error ends the wait.
- A status that this version does not know is waited on, with one warning.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Generator
from typing import Final, Never, TypeAlias, cast

from attrs import define, evolve, field

from triverse.api.tasks.builders import get
from triverse.api.tasks.checks import TaskReference, task_uuid_of
from triverse.api.tasks.ends import success_or_error, timeout_error
from triverse.api.tasks.schedule import FixedSchedule, ProgressSchedule, Schedule
from triverse.api.tasks.task import RUNNING_STATUSES, Task, TaskDecoder
from triverse.core.api_errors import APIError, NotFoundError
from triverse.core.callbacks import check_callback
from triverse.core.errors import ConfigurationError, InvalidResponseError, TriverseError
from triverse.core.flow import Call, CallResult, Flow, Notify, is_interrupt
from triverse.core.options import positive_seconds, seconds_from_zero
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.retry import MAX_RETRY_DELAY, is_transient, retry_after
from triverse.core.runtime import Runtime
from triverse.core.text import safe_repr

__all__ = ["AsyncOnUpdate", "OnUpdate", "wait_flow"]

OnUpdate: TypeAlias = Callable[[Task], object]
AsyncOnUpdate: TypeAlias = Callable[[Task], Awaitable[object] | object]

_logger = logging.getLogger("triverse")

# One second, and a little more because timers may fire early.
_MIN_GAP: Final = 1.01
_MAX_INVALID_RESPONSES: Final = 3
_READ_AFTER_WRITE_SECONDS: Final = 10.0
# Seconds that the last poll gets before the timeout, at least and at most.
_MIN_RESERVE: Final = 0.25
_MAX_RESERVE: Final = 5.0

_WaitFlow: TypeAlias = Generator[Call | Notify, "CallResult[object] | None", Task]


def wait_flow(
    task: TaskReference,
    timeout: float | None,
    poll_interval: float | None,
    on_update: AsyncOnUpdate | None,
    runtime: Runtime,
    *,
    may_be_async: bool = False,
) -> Flow[Never, Task]:
    """Poll a task until it ends, and return it if it succeeded.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    check_callback("on_update", on_update, may_be_async=may_be_async)
    wait = _Wait(
        task=task,
        timeout=math.inf if timeout is None else seconds_from_zero("timeout", timeout),
        schedule=ProgressSchedule() if poll_interval is None else FixedSchedule(_check_interval(poll_interval)),
        on_update=on_update,
        runtime=runtime,
    )
    return cast("Flow[Never, Task]", wait.run())


def _check_interval(poll_interval: float) -> float:
    if positive_seconds("poll_interval", poll_interval) < 1:
        message = f"poll_interval must be at least 1 second, not {poll_interval!r}"
        raise ConfigurationError(message)
    return poll_interval


@define
class _Wait:
    """One wait. All times are in seconds since its start."""

    task: TaskReference
    timeout: float
    schedule: Schedule
    on_update: AsyncOnUpdate | None
    runtime: Runtime
    request: Request[Task] = field(init=False)
    is_new: bool = field(init=False)
    visible_by: float = 0.0
    started: float = field(init=False)
    sent: float = 0.0
    received: float = 0.0
    reserve: float = _MIN_RESERVE
    invalid_responses: int = 0
    polled: Task | None = None
    warned: set[str] = field(factory=set[str])

    def __attrs_post_init__(self) -> None:
        task = self.task if isinstance(self.task, Task) else None
        decoder = TaskDecoder(warned=self.warned)
        if task is not None:
            decoder = TaskDecoder(task.cost_credits, task.client_order_id, self.warned)
        self.request = evolve(get(self.task), decode=decoder)
        self.is_new = task is not None and task.is_new
        if task is not None and task.is_new:
            seconds = task.read_after_write_deadline_seconds
            self.visible_by = _READ_AFTER_WRITE_SECONDS if seconds is None else seconds
        self.started = self.runtime.monotonic()

    def run(self) -> _WaitFlow:
        try:
            return (yield from self._poll_until_the_end())
        except TriverseError as error:
            if error.task_uuid is None:
                error.task_uuid, error.task = task_uuid_of(self.task), self._last_state()
            raise
        except BaseException as interrupt:
            if is_interrupt(interrupt):
                interrupt.add_note(f"triverse: task {task_uuid_of(self.task)} goes on; wait for it again by this id")
            raise

    def _last_state(self) -> Task | None:
        return self.polled or (self.task if isinstance(self.task, Task) else None)

    def _now(self) -> float:
        return self.runtime.monotonic() - self.started

    def _poll_until_the_end(self) -> _WaitFlow:
        call = self._first_call()
        while True:
            self.sent = self._now() + call.after
            result = cast("CallResult[Task]", (yield call))
            self.received = self._now()
            self.reserve = min(_MAX_RESERVE, max(_MIN_RESERVE, 1.5 * (self.received - self.sent)))
            if isinstance(result, TriverseError):
                self._check_error(result)
            else:
                task, self.invalid_responses = result.data, 0
                self._warn_of_unknown_status(task)
                self.schedule.observe(self.received, task.progress)
                if task != self.polled:
                    yield from self._update(task)
                if task.finished:
                    return success_or_error(task)
            call = self._next_call(result)

    def _update(self, task: Task) -> Generator[Notify, object, None]:
        self.polled = task
        if self.on_update is not None:
            yield Notify("on_update", self.on_update, task)

    def _first_call(self) -> Call:
        pause = 0.0
        if self.is_new:
            gap = self.schedule.next_gap(0.0, self.runtime.jitter())
            pause = max(0.0, min(gap, self.timeout - self.reserve))
        return self._call(pause, 0.0)

    def _next_call(self, result: CallResult[Task]) -> Call:
        """Return the next poll.

        Raises:
            DeadlineExceededError: there is no time left for one.
        """
        now = self._now()
        requested = self._requested_pause(result)
        earliest = max(now, self.received + max(_MIN_GAP, requested or 0.0))
        last_chance = self.timeout - self.reserve
        if earliest > last_chance:
            raise timeout_error(self.timeout, self._last_state(), result, self.request.path)
        if requested is not None:
            return self._call(earliest, now)
        due = max(earliest, self.sent + self.schedule.next_gap(self.sent, self.runtime.jitter()))
        return self._call(self._room_for_the_last_poll(due, earliest, last_chance), now)

    def _room_for_the_last_poll(self, due: float, earliest: float, last_chance: float) -> float:
        """Move the poll so that the last one can be made right before the timeout."""
        if due >= last_chance:
            return last_chance
        if isinstance(self.schedule, FixedSchedule):
            return due
        return min(due, max(earliest, last_chance - _MIN_GAP - self.reserve))

    def _call(self, due: float, now: float) -> Call:
        request = cast("Request[object]", self.request)
        return Call(request, max(0.0, due - now), (self.timeout or math.inf) - due, max_retries=0)

    def _requested_pause(self, result: CallResult[Task]) -> float | None:
        """Return the seconds of a `Retry-After`, which a service may send with any response."""
        if isinstance(result, Response):
            requested = retry_after(result.headers, self.runtime.wall_clock)
        else:
            requested = result.retry_after if isinstance(result, APIError) else None
        return None if requested is None else min(requested, MAX_RETRY_DELAY)

    def _check_error(self, error: TriverseError) -> None:
        """Tolerate the error of a poll.

        Raises:
            TriverseError: this error, if it ends the wait.
        """
        if isinstance(error, InvalidResponseError):
            self.invalid_responses += 1
            tolerated = self.invalid_responses <= _MAX_INVALID_RESPONSES
        else:
            self.invalid_responses = 0
            not_visible = self.is_new and isinstance(error, NotFoundError) and self.sent <= self.visible_by
            tolerated = not_visible or is_transient(error)
        if not tolerated:
            raise error
        _logger.warning("Task %s could not be polled; waiting goes on: %s", task_uuid_of(self.task), error)

    def _warn_of_unknown_status(self, task: Task) -> None:
        if task.finished or task.status in RUNNING_STATUSES or "status" in self.warned:
            return
        self.warned.add("status")
        text = "Task %s has the status %s, which this version does not know; waiting goes on"
        _logger.warning(text, task.task_uuid, safe_repr(task.status))
