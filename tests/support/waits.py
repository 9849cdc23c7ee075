"""Waits without a network: the flow of a wait, a clock that a test moves, and a task that ends at a chosen time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from attrs import Factory, define, field

from triverse import APIError, Response, Task, TriverseError
from triverse.api import tasks
from triverse.api.tasks.checks import TaskReference
from triverse.api.tasks.waiting import OnUpdate, wait_flow
from triverse.core.flow import Call, Notify
from triverse.core.headers import Headers
from triverse.core.runtime import Runtime
from triverse.core.structure import structurer

__all__ = [
    "DONE",
    "UUID_TEXT",
    "Answer",
    "Failure",
    "Progress",
    "Script",
    "SimulatedTask",
    "Wait",
    "api_error",
    "created",
    "failure_of",
    "found",
    "state",
]

UUID_TEXT = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"

Progress: TypeAlias = Callable[[float, float], float | None]
Answer: TypeAlias = Response[Task] | TriverseError
Failure: TypeAlias = Callable[[], TriverseError]


def state(status: str = "RUNNING", **fields: object) -> Task:
    """Return the state of the task that all tests here wait for."""
    return structurer(Task)({"task_uuid": UUID_TEXT, "status": status, **fields}, "data")


def created(**fields: object) -> Task:
    """Return what the creation of that task returned."""
    creation = tasks.text_to_model("a brass helmet").creation
    assert creation is not None
    assert creation.attach is not None
    made = creation.attach(state("PENDING", **fields), "an-id")
    assert isinstance(made, Task)
    return made


def found(task: Task, headers: dict[str, str] | None = None) -> Response[Task]:
    """Return the response of a poll."""
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Response(task, 200, Headers(raw), 1, 0.0, url="https://api.example/tasks/x")


@define
class SimulatedTask:
    """A task that ends after some seconds.

    Attributes:
        seconds: when it ends.
        progress: the progress it shows before, computed from the current time and `seconds`.
    """

    seconds: float
    progress: Progress = lambda time, end: int(100 * time / end)

    def at(self, time: float) -> Answer:
        if time >= self.seconds:
            return found(state("SUCCESS", progress=100))
        return found(state(progress=self.progress(time, self.seconds)))


@define
class Wait:
    """One wait, driven by hand.

    Attributes:
        answer: what a poll that reaches the service at this time returns.
        latency: seconds of each request and response.
        jitter: 0 up to 1.
        sent: when each poll was sent.
        calls: the effects that the wait asked for.
        updates: what on_update was called with.
    """

    answer: Callable[[float], Answer]
    latency: Callable[[], float] = lambda: 0.0
    jitter: Callable[[], float] = random.random
    now: float = 0.0
    sent: list[float] = field(factory=list[float])
    calls: list[Call] = field(factory=list[Call])
    updates: list[Task] = field(factory=list[Task])
    _runtime: Runtime = Factory(
        lambda self: Runtime(lambda: 1000 + self.now, lambda: 0.0, self.jitter, str), takes_self=True
    )

    def run(
        self,
        task: TaskReference = UUID_TEXT,
        *,
        timeout: float | None = 3600.0,
        poll_interval: float | None = None,
        on_update: OnUpdate | None = None,
    ) -> Task:
        flow = wait_flow(task, timeout, poll_interval, on_update or self.updates.append, self._runtime)
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = self._perform(effect)
                except BaseException as raised:  # noqa: BLE001 - as the clients do
                    effect = flow.throw(raised)
                else:
                    effect = flow.send(outcome)
        except StopIteration as end:
            finished: Task = end.value
            return finished

    def _perform(self, effect: object) -> Answer | None:
        if isinstance(effect, Notify):
            effect.callback(effect.value)
            return None
        assert isinstance(effect, Call)
        self.calls.append(effect)
        self.now += effect.after
        self.sent.append(self.now)
        latency = min(self.latency(), effect.within)
        answer = self.answer(self.now + latency / 2)
        self.now += latency
        return answer

    def gaps(self) -> Iterator[float]:
        return (after - before for before, after in zip(self.sent, self.sent[1:], strict=False))


def api_error(kind: type[APIError], status: int, retry_after: float | None = None) -> APIError:
    """Return the error of a poll."""
    error = kind("No.", status_code=status, retry_after=retry_after)
    error.method, error.url = "GET", "https://api.example/tasks/x"
    return error


class Script:
    """Answers of polls, one after the other; the last one is repeated."""

    def __init__(self, *answers: Answer | Failure) -> None:
        self.answers = list(answers)

    def __call__(self, _time: float) -> Answer:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer() if callable(answer) else answer


DONE = state("SUCCESS", progress=100)


def failure_of(wait: Wait, task: object = UUID_TEXT, *, timeout: float | None = 3600.0) -> TriverseError:
    """Return the error in which a wait ends."""
    with pytest.raises(TriverseError) as caught:
        wait.run(task, timeout=timeout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # some are wrong
    return caught.value
