from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from uuid import UUID

import pytest
from support.waits import UUID_TEXT, Progress, SimulatedTask, Wait, created, state

from triverse import Task

RANDOM = random.Random(19)  # noqa: S311 - not for secrets

EVEN: dict[str, Progress] = {
    "rounded down": lambda time, end: int(100 * time / end),
    "rounded": lambda time, end: round(100 * time / end),
    "rounded up": lambda time, end: math.ceil(100 * time / end),
    "exact": lambda time, end: 100 * time / end,
}
UNEVEN: dict[str, Progress] = {
    "absent": lambda _time, _end: None,
    "stuck at 0": lambda _time, _end: 0,
    "stuck at 99": lambda _time, _end: 99,
    "soon stuck at 99": lambda time, end: min(99, int(300 * time / end)),
    "stuck at 70 for long": lambda time, end: min(70, int(140 * time / end)),
    "jumping back": lambda time, end: int(100 * (time - 0.3 * end * (time > 0.6 * end)) / end),
    "a saw": lambda time, _end: int(7 * time) % 100,
    "random": lambda _time, _end: RANDOM.randrange(101),
    "slower and slower": lambda time, _end: 100 - 100 / (1 + time),
    "always almost done": lambda time, _end: min(99.999, 100 * (1 - math.exp(-time / 4))),
    "steps of 10": lambda time, end: int(10 * time / end) * 10,
    "late": lambda time, end: max(0, int(200 * (time - end / 2) / end)),
}
JITTERS: dict[str, Callable[[], float]] = {"none": lambda: 0.0, "most": lambda: 0.999, "random": RANDOM.random}
LATENCIES: dict[str, Callable[[], float]] = {
    "none": lambda: 0.0,
    "usual": lambda: 0.05,
    "long": lambda: 1.5,
    "random": lambda: 1.9 * RANDOM.random(),
}
SECONDS = [1.0, 10.0, 33.0, 120.0, 600.0]
MANY_SECONDS = [
    *SECONDS,
    *(RANDOM.uniform(0.1, 40.0) for _ in range(15)),
    *(RANDOM.uniform(40.0, 700.0) for _ in range(7)),
]
MOST_POLLS = {33.0: 16, 600.0: 75}


def waits(progress: Progress, seconds: float) -> list[tuple[Wait, int]]:
    """Wait for such a task with many latencies and jitters. Return each wait with its number of polls that count."""
    made: list[tuple[Wait, int]] = []
    references: list[Task | str] = [UUID_TEXT, state(), created()]
    for jitter, latency, task in itertools.product(JITTERS.values(), LATENCIES.values(), references):
        wait = Wait(SimulatedTask(seconds, progress).at, latency, jitter)
        assert wait.run(task).succeeded
        is_new = isinstance(task, Task) and task.is_new
        made.append((wait, len(wait.sent) - (not is_new)))
    return made


@pytest.mark.parametrize("progress", [*EVEN, *UNEVEN])
def test_the_end_is_noticed_in_time_whenever_it_comes(progress: str) -> None:
    for seconds in MANY_SECONDS:
        for wait, polls in waits((EVEN | UNEVEN)[progress], seconds):
            last = wait.sent[-1]
            assert last - seconds <= max(3.0, 0.05 * last), (seconds, wait.sent)
            assert polls <= MOST_POLLS.get(seconds, math.inf), (seconds, wait.sent)
            assert all(gap >= 1 for gap in wait.gaps()), wait.sent


@pytest.mark.parametrize("progress", EVEN)
def test_an_even_progress_brings_the_last_poll_close_to_the_end(progress: str) -> None:
    for wait, polls in waits(EVEN[progress], 33.0):
        assert wait.sent[-1] - 33.0 <= 2.0, wait.sent
        assert polls <= 12, wait.sent


def test_a_wait_for_a_new_task_starts_with_a_pause_and_any_other_with_a_poll() -> None:
    new_tasks = [(created(read_after_write_deadline_seconds=seconds), 2.95) for seconds in (None, 0, -1, 9)]
    others: list[tuple[Task | str | UUID, float]] = [(state(), 0.0), (UUID_TEXT, 0.0), (state().task_uuid, 0.0)]
    for task, pause in (*new_tasks, *others):
        wait = Wait(SimulatedTask(1.0).at, jitter=lambda: 0.0)
        wait.run(task)
        assert wait.sent[0] == pause


def test_jitter_only_shortens_pauses() -> None:
    def polls(jitter: float) -> list[float]:
        wait = Wait(SimulatedTask(300.0, UNEVEN["absent"]).at, jitter=lambda: jitter)
        wait.run(created())
        return list(wait.gaps())

    for shortened, whole in zip(polls(0.9), polls(0.0), strict=False):
        assert shortened < whole


def test_a_long_wait_polls_at_least_once_a_minute() -> None:
    wait = Wait(SimulatedTask(7200.0, UNEVEN["absent"]).at)
    wait.run(timeout=None)
    assert 50 < max(wait.gaps()) <= 60


def test_a_poll_interval_makes_the_interval_fixed() -> None:
    wait = Wait(SimulatedTask(33.0).at, latency=lambda: 0.5)
    wait.run(created(), poll_interval=7)
    assert wait.sent == [7, 14, 21, 28, 35]


def test_the_next_poll_follows_a_second_after_a_slow_response() -> None:
    wait = Wait(SimulatedTask(20.0).at, latency=lambda: 4.0)
    wait.run(poll_interval=1)
    assert [round(time) for time in wait.sent] == [0, 5, 10, 15, 20]
    assert all(gap > 5 for gap in wait.gaps())
