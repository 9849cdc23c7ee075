"""Tasks of an account, and their life: PENDING, QUEUED, RUNNING, then SUCCESS, FAILED or CANCELLED.

Nothing runs in the background. Before a task is read, all tasks of the account are brought to their status at this time
of the clock, in the order of the times at which they move. Credits are frozen at creation; SUCCESS deducts them, FAILED
and CANCELLED release them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import RLock
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

from triverse.sandbox.environment import Environment
from triverse.sandbox.errors import api_error, find_error_spec
from triverse.sandbox.ledger import Hold

__all__ = ["ENDED", "NEXT_STAGE", "SandboxTask", "Scheduler"]

ENDED: Final = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
NEXT_STAGE: Final = {"PENDING": "QUEUED", "QUEUED": "RUNNING"}

# Share of a task's time after which a stage is over, counted from the creation.
_END_OF: Final = {"PENDING": 0.02, "QUEUED": 0.05, "RUNNING": 1.0}
_LENGTH_OF: Final = {"PENDING": 0.02, "QUEUED": 0.03, "RUNNING": 0.95}
_STUCK_AT: Final = 99

_PROGRESS: Final[Mapping[str, Callable[[float], float | None]]] = {
    "even": lambda share: math.floor(100 * share),
    "zero": lambda _share: 0,
    "stuck": lambda share: min(_STUCK_AT, math.floor(300 * share)),
    "backwards": lambda share: (math.floor(1000 * share) * 37) % 100,
    "absent": lambda _share: None,
}


class Scheduler(Protocol):
    """What a task needs of the tasks of its account."""

    environment: Environment
    lock: RLock

    def update(self) -> None:
        """Bring all tasks to their status at this time of the clock."""
        ...

    def move(self, task: SandboxTask, stage: str, at: float) -> None:
        """Bring a task into this stage."""
        ...

    def position(self, task: SandboxTask) -> int | None:
        """Return the task's place in the queue, from 0."""
        ...


class SandboxTask:
    """One task of an account, as in `account.tasks`.

    Attributes:
        uuid: its id.
        flow_name: which kind of task.
        params: fields of the request, checked, with defaults.
        cost: credits that it freezes.
        client_order_id: the id that the request had; None for none.
        created: reading of the clock at its creation.
        environment: clock and settings.
        error: why it failed; None if it did not.
        stage: its status, without the effect of `show_status()`, when it was last updated.
        due: reading of the clock when it moves on by itself.
        shown: what `show_status()` set; None for nothing.
    """

    def __init__(  # noqa: PLR0913 - a task has this many parts
        self,
        scheduler: Scheduler,
        *,
        uuid: UUID,
        flow_name: str,
        params: Mapping[str, object],
        hold: Hold,
        client_order_id: str | None,
        now: float,
    ) -> None:
        self._scheduler = scheduler
        self.environment: Final = scheduler.environment
        self._seconds = scheduler.environment.task_seconds
        self._hold = hold
        self.uuid: UUID = uuid
        self.flow_name: str = flow_name
        self.params: Mapping[str, object] = MappingProxyType(dict(params))
        self.cost: float = hold.cost
        self.client_order_id: str | None = client_order_id
        self.created: float = now
        self.error: Mapping[str, object] | None = None
        self.stage: str = "PENDING"
        self.due: float = self._end_of("PENDING", now)
        self.shown: tuple[str, bool] | None = None
        self._started: float | None = None
        self._ended: float | None = None
        self._failure: Mapping[str, object] = {}

    def _end_of(self, stage: str, at: float) -> float:
        """When the stage that begins at this moment is over."""
        if self._seconds is None or stage not in _END_OF:
            return math.inf
        on_time = self.created + self._seconds * (_END_OF[stage] - _LENGTH_OF[stage])
        if math.isclose(at, on_time):
            return self.created + self._seconds * _END_OF[stage]
        return at + self._seconds * _LENGTH_OF[stage]

    def enter(self, stage: str, at: float) -> None:
        """Begin a stage, and settle the credits if it is the last. Only the scheduler calls this."""
        self.stage, self.shown, self.due = stage, None, self._end_of(stage, at)
        if stage == "RUNNING":
            self._started = at
        if stage in ENDED:
            self._ended = at
            (self._hold.succeed if stage == "SUCCESS" else self._hold.fail)()
        if stage == "FAILED":
            self.error = self._failure or _failure_of(5003, None)

    def outcome(self) -> str:
        """Return how the task ends unless a test ends it."""
        outcome = self.environment.settings.outcome
        return outcome(self) if callable(outcome) else outcome

    @property
    def status(self) -> str:
        """PENDING, QUEUED, RUNNING, SUCCESS, FAILED or CANCELLED, or the text given to `show_status()`."""
        self._scheduler.update()
        return self.stage if self.shown is None else self.shown[0]

    @property
    def ended(self) -> bool:
        """Whether it is in its last status."""
        return self.status in ENDED

    @property
    def progress(self) -> float | None:
        """What the status shows as `progress`, by `settings.progress`. None: not sent."""
        self._scheduler.update()
        if self.stage == "SUCCESS":
            return None if self.environment.settings.progress == "absent" else 100
        setting = self.environment.settings.progress
        return (setting if callable(setting) else _PROGRESS[setting])(self._share())

    def _share(self) -> float:
        """Share of the task's time that is over."""
        now = self.environment.clock() if self._ended is None else self._ended
        if not self._seconds or (math.isinf(self.due) and self._ended is None):
            return 0.5 if self.stage == "RUNNING" else 0.0
        return min(0.99, max(0.0, (now - self.created) / self._seconds))

    @property
    def created_at(self) -> datetime:
        """When it was created."""
        return self.environment.time_of(self.created)

    @property
    def started_at(self) -> datetime | None:
        """When it began to run; None before."""
        self._scheduler.update()
        return None if self._started is None else self.environment.time_of(self._started)

    @property
    def completed_at(self) -> datetime | None:
        """When it ended; None before."""
        self._scheduler.update()
        if self.shown is not None and self.shown[1]:
            return self.environment.time_of(self.environment.clock())
        return None if self._ended is None else self.environment.time_of(self._ended)

    @property
    def queue(self) -> Mapping[str, object]:
        """The queue object of the status."""
        self._scheduler.update()
        position = self._scheduler.position(self)
        if position is None:
            return {"is_queued": False, "position": None, "estimated_wait_seconds": None}
        wait = max(0.0, self.due - self.environment.clock())
        return {
            "is_queued": True,
            "position": position + self.environment.settings.queue_base,
            "estimated_wait_seconds": None if math.isinf(wait) else math.ceil(wait),
        }

    def advance(self) -> None:
        """Bring the task into its next status: QUEUED, RUNNING, then its end.

        Raises:
            ConflictError: code 2005: it has ended.
        """
        with self._scheduler.lock:
            self._scheduler.update()
            self._move(NEXT_STAGE.get(self.stage) or self.outcome())

    def succeed(self) -> None:
        """End it with SUCCESS: its credits are deducted.

        Raises:
            ConflictError: code 2005: it has ended.
        """
        self._move("SUCCESS")

    def fail(self, message: str | None = None, *, code: int = 5003) -> None:
        """End it with FAILED: its credits are released.

        Args:
            message: text of the error; None for the documented message of the code.
            code: code of the error.

        Raises:
            ConflictError: code 2005: it has ended.
        """
        self._failure = _failure_of(code, message)
        self._move("FAILED")

    def cancel(self) -> None:
        """End it with CANCELLED: its credits are released.

        Raises:
            ConflictError: code 2005: it has ended.
        """
        self._move("CANCELLED")

    def _move(self, stage: str) -> None:
        with self._scheduler.lock:
            self._scheduler.update()
            if self.stage in ENDED:
                raise api_error(2005)
            self._scheduler.move(self, stage, self.environment.clock())

    def show_status(self, status: str, *, ended: bool = False) -> None:
        """Show a status that the documentation does not have, until the task moves on.

        Args:
            status: such as `PREPARING`.
            ended: whether `completed_at` is set.
        """
        self._scheduler.update()
        self.shown = (status, ended)

    def __repr__(self) -> str:
        return f"SandboxTask(uuid={str(self.uuid)!r}, flow_name={self.flow_name!r}, status={self.status!r})"


def _failure_of(code: int, message: str | None) -> Mapping[str, object]:
    row = find_error_spec(None, code)
    return {"code": code, "message": message or row.message, "suggestion": row.suggestion}
