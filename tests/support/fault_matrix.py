"""One cell of the fault matrix: calls against a fault, and all that came of them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import anyio
import trio

from support.clients import KEY, MODES, Mode, run_async
from support.faults import FAULTS, Fault
from support.server import BALANCE, ME, Server
from triverse import AsyncTriverse, DeadlineExceededError, Request, Triverse, TriverseError, UserBalance, UserInfo, api

__all__ = ["CASES", "DEADLINE", "ENDPOINTS", "Case", "Measurement", "expected", "measure"]

DEADLINE = 0.4
# Where a fault does not hang, a busy machine gets the time it needs.
PATIENCE = 20.0

ENDPOINTS: dict[str, Callable[[], Request[object]]] = {"me": api.users.me, "balance": api.users.balance}

SUCCESS = "the right value"
BROKEN = ("ConnectionFailedError", "DeadlineExceededError")
RIGHT = (
    UserInfo(**{**ME, "id": UUID(str(ME["id"]))}),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it is what its fields say
    UserBalance(**BALANCE),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # JSON is untyped
)


@dataclass(frozen=True)
class Case:
    """A fault, a client, an endpoint."""

    fault: Fault
    mode: Mode
    endpoint: str

    @property
    def deadline(self) -> float:
        return DEADLINE if self.fault.hangs else PATIENCE


CASES = [Case(fault, mode, endpoint) for fault in FAULTS for mode in MODES for endpoint in ENDPOINTS]


@dataclass(frozen=True)
class Measurement:
    """What came of it, in kind; and how long it took.

    Attributes:
        outcome: the class of the error, or that it was none.
        attempts: how often the key was asked for, which is once an attempt.
        left_open: connections of a call that is over, except one that lies idle after a good answer.
        left_running: tasks that the call left behind.
    """

    outcome: str
    attempts: int
    left_open: int
    left_running: int
    seconds: float

    @property
    def kind(self) -> tuple[str, int, int, int]:
        return self.outcome, self.attempts, self.left_open, self.left_running


def expected(case: Case) -> tuple[str, int, int, int]:
    """A failure is told after one retry at most; a success is asked for twice, so that what lingers would show."""
    outcome = case.fault.outcome
    attempts = 1 + (outcome is None) + case.fault.retried
    return (outcome.__name__ if outcome else SUCCESS), attempts, 0, 0


@contextmanager
def _nobody(fault: Fault) -> Generator[str]:
    """An address where no connection is made: refused, or left to wait in a queue that is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        if fault.outcome is not DeadlineExceededError:
            listener.close()
            yield f"http://127.0.0.1:{port}/api/v1"
            return
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003 - as the socket module has it
            with suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}/api/v1"
        for filler in fillers:
            filler.close()


class Run:
    """Counts what a call does."""

    def __init__(self, case: Case, server: Server | None) -> None:
        self.case = case
        self.server = server
        self.outcome = SUCCESS
        self.attempts = 0
        self.left_running = 0
        self.settled_while_open = True
        self.seconds = 0.0
        self._lock = threading.Lock()

    def key(self) -> str:
        with self._lock:
            self.attempts += 1
        return KEY

    @contextmanager
    def told(self) -> Generator[None]:
        started = time.monotonic()
        try:
            yield
        except TriverseError as error:
            self.outcome = type(error).__name__
        self.seconds = time.monotonic() - started

    def check(self, result: object) -> None:
        if result not in RIGHT:
            self.outcome = "a wrong value"

    def settled(self) -> bool:
        """Whether the server has no open connection, except an idle one after a complete response."""
        idle = 0 if self.outcome in BROKEN else 1
        return self.server is None or self.server.settled(still_open=idle)

    def hung_up(self) -> None:
        """Let the server hang up after its answer, if it means to."""
        if self.server is not None and not self.case.fault.stays:
            assert self.server.settled()


def _sync(story: Run, url: str) -> None:
    case, request = story.case, ENDPOINTS[story.case.endpoint]()
    with Triverse(story.key, base_url=url, deadline=case.deadline, max_retries=1) as client:
        with story.told():
            story.check(client.execute(request))
        if story.outcome == SUCCESS:
            story.hung_up()
            with story.told():
                story.check(client.execute(request))
        story.settled_while_open = story.settled()


async def _async(story: Run, url: str) -> None:
    case, request = story.case, ENDPOINTS[story.case.endpoint]()
    async with AsyncTriverse(story.key, base_url=url, deadline=case.deadline, max_retries=1) as client:
        before = _tasks(case.mode)
        with story.told():
            story.check(await client.execute(request))
        if story.outcome == SUCCESS:
            await anyio.to_thread.run_sync(story.hung_up)
            with story.told():
                story.check(await client.execute(request))
        story.left_running = _tasks(case.mode) - before
        story.settled_while_open = await anyio.to_thread.run_sync(story.settled)


def _tasks(mode: Mode) -> int:
    return trio.lowlevel.current_statistics().tasks_living if mode == "trio" else len(asyncio.all_tasks())


def _run(story: Run, url: str) -> None:
    if story.case.mode == "sync":
        return _sync(story, url)

    async def main() -> None:
        await _async(story, url)

    return run_async(story.case.mode, main)


def measure(case: Case) -> Measurement:
    """Make the calls."""
    fault = case.fault
    if fault.script is None:
        with _nobody(fault) as url:
            story = Run(case, None)
            _run(story, url)
        left_open = 0
    else:
        with Server(fault.script, fault.context and fault.context()) as server:
            story = Run(case, server)
            _run(story, server.url)
            left_open = int(not story.settled_while_open) or (0 if server.settled() else server.open_now)
    return Measurement(story.outcome, story.attempts, left_open, story.left_running, story.seconds)
