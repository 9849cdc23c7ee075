"""How a wait ends without a result: the errors for a task that failed, and for time that ran out."""

from __future__ import annotations

from collections.abc import Mapping

from triverse.api.tasks.task import Task
from triverse.core.errors import (
    DeadlineExceededError,
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TriverseError,
)
from triverse.core.response import Response
from triverse.core.text import safe_repr, truncate

__all__ = ["success_or_error", "task_error", "timeout_error"]


def task_error(task: Task) -> TaskError:
    """Return the error for a task that ended without a result."""
    name = f"task {task.task_uuid}" + ("" if task.flow_name is None else f" ({task.flow_name})")
    reason = "the service gave no reason" if task.reason is None else truncate(task.reason).rstrip(".")
    if task.status == "FAILED":
        return TaskFailedError(f"{name} failed: {reason}{_suggestion(task)}", task=task)
    if task.status == "CANCELLED":
        return TaskCancelledError(f"{name} was cancelled: {reason}{_suggestion(task)}", task=task)
    text = f"{name} ended with the status {safe_repr(task.status)}, which this version does not know: {reason}"
    return TaskError(text + _suggestion(task), task=task)


def _suggestion(task: Task) -> str:
    suggestion = task.error.get("suggestion") if isinstance(task.error, Mapping) else None
    return f". {truncate(suggestion)}" if isinstance(suggestion, str) and suggestion.strip() else ""


def success_or_error(task: Task) -> Task:
    """Return a task that has ended, if it has a result.

    Raises:
        TaskError: it has none.
    """
    if task.succeeded:
        return task
    raise task_error(task)


def timeout_error(
    timeout: float, task: Task | None, result: Response[Task] | TriverseError, path: str
) -> DeadlineExceededError:
    """Return the error for a wait whose time ran out.

    Args:
        timeout: seconds that the wait was allowed.
        task: the last known state.
        result: the result of the last poll.
        path: the path of the polls.
    """
    failure = result if isinstance(result, TriverseError) else None
    url = getattr(result, "url", None) or path
    state = "no state was received" if task is None else f"last status {safe_repr(task.status)}{_progress(task)}"
    problem = "" if failure is None else f"; the last poll failed: {failure}"
    message = (
        f"GET {url}: the task did not end within {timeout:g} s ({state}{problem}). It was not cancelled: "
        "wait for it again by its id, or allow a longer timeout"
    )
    error = DeadlineExceededError(message, cause=failure)
    error.__cause__ = failure
    error.method, error.url = "GET", url
    return error


def _progress(task: Task) -> str:
    return "" if task.progress is None else f" at {task.progress:g} %"
