"""How far a command is, on standard error: a progress bar, plain lines without a terminal, or JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from triverse import Progress, Task
from triverse.cli.output import is_terminal, print_json, print_note, printable

__all__ = ["Reporter", "reporting", "task_line"]

# A transfer of 200 MB has 3,200 steps. That is too many lines to read.
_SECONDS_BETWEEN: Final = 1.0


class Reporter(Protocol):
    """Shows how far a command is."""

    def task(self, task: Task) -> None:
        """Show the state of a task."""
        ...

    def transfer(self, name: str, progress: Progress) -> None:
        """Show how far an upload or a download is."""
        ...


@contextmanager
def reporting(*, as_json: bool) -> Generator[Reporter]:
    """The reporter that suits standard error."""
    if as_json:
        yield _JsonReporter()
    elif is_terminal(sys.stderr):
        with _bars() as bars:
            yield _BarReporter(bars)
    else:
        yield _LineReporter()


def _bars() -> RichProgress:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"), TimeElapsedColumn()
    return RichProgress(*columns, console=Console(stderr=True), transient=True)


def task_line(task: Task) -> str:
    """The state of a task on one line."""
    parts = [printable(task.status)]
    if task.progress is not None and not task.finished:
        parts.append(f"{task.progress:.0f} %")
    if task.queue is not None and task.queue.is_queued:
        place = "" if task.queue.position is None else f" at place {task.queue.position}"
        wait = task.queue.estimated_wait_seconds
        parts.append(f"queued{place}{'' if wait is None else f', about {wait:.0f} s'}")
    if task.reason:
        parts.append(printable(task.reason))
    return "  ".join(parts)


class _JsonReporter:
    """One JSON object a line."""

    def __init__(self) -> None:
        self._pace = _Pace()

    def task(self, task: Task) -> None:
        """Print the state."""
        fields = {"task_uuid": task.task_uuid, "status": task.status, "progress": task.progress}
        print_json({"event": "task", **fields}, error=True)

    def transfer(self, name: str, progress: Progress) -> None:
        """Print the number of bytes, about once a second."""
        if self._pace.is_due(name, progress):
            print_json({"event": name, "done": progress.done, "total": progress.total}, error=True)


class _LineReporter:
    """One line for each change."""

    def __init__(self) -> None:
        self._pace = _Pace()
        self._state = ""

    def task(self, task: Task) -> None:
        """Print the state, unless it is that of the last line."""
        state = task_line(task)
        if state != self._state:
            self._state = state
            print_note(state)

    def transfer(self, name: str, progress: Progress) -> None:
        """Print the number of bytes, about once a second."""
        if self._pace.is_due(name, progress):
            print_note(f"{name}  {_amount(progress)}")


class _BarReporter:
    """A bar for the task, and one for each transfer."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._ids = dict[str, TaskID]()

    def task(self, task: Task) -> None:
        """Move the bar of the task."""
        share = 100.0 if task.succeeded else task.progress or 0.0
        self._move("task", share, 100.0, task_line(task))

    def transfer(self, name: str, progress: Progress) -> None:
        """Move the bar of the transfer."""
        self._move(name, progress.done, progress.total, _amount(progress))

    def _move(self, name: str, done: float, total: float | None, detail: str) -> None:
        if name not in self._ids:
            self._ids[name] = self._bars.add_task(name, total=total, detail=detail)
        self._bars.update(self._ids[name], completed=done, total=total, detail=detail)


class _Pace:
    """Decides which steps of a transfer are shown: the first, the last, and one each second between them."""

    def __init__(self) -> None:
        self._last = dict[str, float]()

    def is_due(self, name: str, progress: Progress) -> bool:
        """Whether this step is shown."""
        now = time.monotonic()
        if progress.done != progress.total and now - self._last.get(name, -_SECONDS_BETWEEN) < _SECONDS_BETWEEN:
            return False
        self._last[name] = now
        return True


def _amount(progress: Progress) -> str:
    unit, size = ("MB", 1e6) if max(progress.done, progress.total or 0) >= 1e6 else ("kB", 1e3)  # noqa: PLR2004 - 1 MB
    total = "" if progress.total is None else f" of {progress.total / size:.1f}"
    return f"{progress.done / size:.1f}{total} {unit}"
