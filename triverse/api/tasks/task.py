"""The state of a task.

A task has been paid for, so it is never lost to a field that the service changed:

- `task_uuid` and `status` are required and strict.
- Any other field of the wrong type becomes None. Its raw value is kept in `.extra`, and one warning names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Self, cast
from uuid import UUID

from attrs import evolve, field, frozen

from triverse.api.tasks.decoding import (
    Check,
    check_error,
    check_open_object,
    check_progress,
    check_time,
    decode_fields,
    log_problems,
)
from triverse.core._read_only import read_only
from triverse.core.result import Result
from triverse.core.text import truncate
from triverse.core.validation import (
    MismatchError,
    check_bool,
    check_float,
    check_int,
    check_str,
    check_uuid,
)

__all__ = ["RUNNING_STATUSES", "Task", "TaskDecoder", "TaskQueue", "as_created"]

RUNNING_STATUSES: Final = frozenset({"PENDING", "QUEUED", "RUNNING"})
_SUCCESS: Final = "SUCCESS"
_FINAL_STATUSES: Final = frozenset({_SUCCESS, "FAILED", "CANCELLED"})

# The service does not document the fields of `error`. The first is its name for such a text elsewhere.
_REASON_FIELDS: Final = ("message", "detail", "reason", "error")

# Fields in which the service may send any text, and with it the key.
_TEXT_FIELDS: Final = (
    *("status", "flow_name", "read_after_write_header", "client_order_id"),
    *("input", "output", "error", "queue", "extra"),
)

_QUEUE_FIELDS: Final[Mapping[str, Check]] = {
    "is_queued": check_bool,
    "position": check_int,
    "estimated_wait_seconds": check_float,
}
_REQUIRED_FIELDS: Final[Mapping[str, Check]] = {"task_uuid": check_uuid, "status": check_str}
_OPTIONAL_FIELDS: Final[Mapping[str, Check]] = {
    "flow_name": check_str,
    "created_at": check_time,
    "started_at": check_time,
    "completed_at": check_time,
    "progress": check_progress,
    "cost_credits": check_float,
    "input": check_open_object,
    "output": check_open_object,
    "error": check_error,
    "read_after_write_deadline_seconds": check_float,
    "read_after_write_header": check_str,
    "client_order_id": check_str,
}


@frozen
class TaskQueue(Result):
    """The place of a task in the service's queue.

    Attributes:
        is_queued: whether the task waits in the queue.
        position: place in the queue.
        estimated_wait_seconds: the service's estimate.
    """

    is_queued: bool | None = None
    position: int | None = None
    estimated_wait_seconds: float | None = None

    @classmethod
    def structure(cls, value: object, problems: list[MismatchError] | None = None) -> Self:
        """Decode a JSON value; a field of the wrong type becomes None.

        Args:
            value: the JSON value.
            problems: what is wrong with fields is added to it.

        Raises:
            MismatchError: the value is not an object.
        """
        fields = decode_fields(value, {}, _QUEUE_FIELDS)
        if problems is not None:
            problems += [MismatchError(problem.problem, f".queue{problem.path}") for problem in fields.problems]
        return cls(**fields.arguments())


@frozen
class Task(Result):
    """The state of a task, as its creation or a later request returned it.

    Attributes:
        task_uuid: unique id of the task.
        status: PENDING, QUEUED, RUNNING, SUCCESS, FAILED, CANCELLED, or a status that this version does not know.
        flow_name: what kind of task it is, such as `text-to-model`.
        created_at: when it was created, in UTC.
        started_at: when it started to run, in UTC.
        completed_at: when it ended, in UTC.
        progress: the service's estimate, 0 to 100.
        cost_credits: API credits that are frozen for the task, and deducted when it succeeds.
        input: the parameters that the service shows.
        output: the result's fields that the service shows.
        error: why the task failed.
        queue: its place in the queue.
        read_after_write_deadline_seconds: for how long after the creation the task may not be visible yet.
        read_after_write_header: name of a header of the service for requests right after the creation.
        client_order_id: the id that was sent when the task was created, if that is known.
    """

    task_uuid: UUID
    status: str
    flow_name: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    progress: float | None = None
    cost_credits: float | None = None
    input: Mapping[str, object] | None = field(default=None, hash=False)
    output: Mapping[str, object] | None = field(default=None, hash=False)
    error: Mapping[str, object] | str | None = field(default=None, hash=False)
    queue: TaskQueue | None = None
    read_after_write_deadline_seconds: float | None = None
    read_after_write_header: str | None = None
    client_order_id: str | None = None
    # Set on what a create returned. It may not be visible yet, and it has surely not ended yet.
    _is_new: bool = field(default=False, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        # No converters: with one, a class is no TaskState for pyright 1.1.
        for name in ("input", "output", "error"):
            value: Mapping[str, object] | str | None = getattr(self, name)
            object.__setattr__(self, name, read_only(dict(value) if isinstance(value, Mapping) else value))

    @property
    def finished(self) -> bool:
        """Whether the task has ended, successfully or not."""
        if self.status in _FINAL_STATUSES:
            return True
        return self.status not in RUNNING_STATUSES and self.completed_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether the task has a result."""
        return self.status == _SUCCESS

    @property
    def reason(self) -> str | None:
        """The text of `error`; None without one."""
        if self.error is None or isinstance(self.error, str):
            return (self.error or "").strip() or None
        texts = (self.error.get(name) for name in _REASON_FIELDS)
        text = next((text for text in texts if isinstance(text, str) and text.strip()), None)
        return text or (truncate(json.dumps(self.error)) if self.error else None)

    @property
    def is_new(self) -> bool:
        """Whether this state was returned by the creation of the task, and not by a later request."""
        return self._is_new

    def _without_key(self, redact: Callable[[str], str]) -> Self:
        # Errors about a task show its status and its reason, and have the whole task as an attribute.
        texts: dict[str, Any] = {name: getattr(self, name) for name in _TEXT_FIELDS}
        redacted: dict[str, Any] = {name: _redacted(value, redact) for name, value in texts.items()}
        return self if redacted == texts else evolve(self, **redacted)

    @classmethod
    def structure(cls, value: object, warned: set[str] | None = None) -> Self:
        """Decode a JSON value; a field of the wrong type becomes None, except for `task_uuid` and `status`.

        Args:
            value: the JSON value.
            warned: fields that were already warned about; new ones are added. None warns about all.

        Raises:
            MismatchError: `task_uuid` or `status` is missing or wrong.
        """
        in_queue: list[MismatchError] = []

        def check_queue(queue: object) -> TaskQueue:
            return TaskQueue.structure(queue, in_queue)

        fields = decode_fields(value, _REQUIRED_FIELDS, {**_OPTIONAL_FIELDS, "queue": check_queue})
        log_problems(f"Task {fields.known['task_uuid']}", fields.problems + in_queue, warned)
        return cls(**fields.arguments())


def _redacted(value: object, redact: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, TaskQueue):
        extra = cast("Mapping[str, object]", _redacted(value.extra, redact))
        return value if extra == value.extra else evolve(value, extra=extra)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {redact(name): _redacted(member, redact) for name, member in members}
    return [_redacted(member, redact) for member in cast("list[object]", value)] if isinstance(value, list) else value


def as_created(task: Task, client_order_id: str | None) -> Task:
    """Return the task of a creation's response, with the id that was sent."""
    created = evolve(task, client_order_id=client_order_id or task.client_order_id)
    object.__setattr__(created, "_is_new", True)
    return created


@frozen
class TaskDecoder:
    """Decodes the state of a task about which something is known that the service does not repeat.

    Attributes:
        cost_credits: what the task costs.
        client_order_id: the id that was sent when it was created.
        warned: fields that were already warned about; None to warn each time.
    """

    cost_credits: float | None = None
    client_order_id: str | None = None
    warned: set[str] | None = field(default=None, eq=False)

    def __call__(self, value: object, path: str) -> Task:
        """Decode the value of `data`.

        Raises:
            MismatchError: it is not a task.
        """
        try:
            task = Task.structure(value, self.warned)
        except MismatchError as error:
            raise error.below(path) from None
        cost = self.cost_credits if task.cost_credits is None else task.cost_credits
        return evolve(task, cost_credits=cost, client_order_id=task.client_order_id or self.client_order_id)
