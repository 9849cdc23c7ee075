"""One cell of the fault matrix: calls against a fault, and all that came of them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import anyio
import trio
from attrs import evolve

from support.clients import KEY, MODES, Mode, run_async
from support.faults import FAULTS, Fault
from support.server import BALANCE, ME, QUOTE, TASK, Server
from triverse import (
    APIError,
    AsyncTriverse,
    AuthenticationError,
    ConnectionFailedError,
    DeadlineExceededError,
    Quote,
    Request,
    ServerError,
    Task,
    Triverse,
    TriverseError,
    UserBalance,
    UserInfo,
    api,
)
from triverse.core.structure import structurer

__all__ = ["CASES", "DEADLINE", "ENDPOINTS", "Case", "Measurement", "expected", "measure"]

DEADLINE = 0.4
# Where a fault does not hang, a busy machine gets the time it needs.
PATIENCE = 20.0


@dataclass(frozen=True)
class Endpoint:
    """A call of the API.

    Attributes:
        sync_way: makes it.
        async_way: makes it, too.
        repeated: when it makes another attempt: after each failure that may pass, or only if nothing was sent.
    """

    sync_way: Callable[[Triverse], object]
    async_way: Callable[[AsyncTriverse], Awaitable[object]]
    repeated: Literal["always", "if unsent", "never"] = "always"


def request_of(build: Callable[[], Request[object]], repeated: Literal["always", "if unsent"] = "always") -> Endpoint:
    return Endpoint(lambda client: client.execute(build()), lambda client: client.execute(build()), repeated)


TASK_ID = UUID(str(TASK["task_uuid"]))
ENDPOINTS: dict[str, Endpoint] = {
    "me": request_of(api.users.me),
    "balance": request_of(api.users.balance),
    "quote": request_of(lambda: api.tasks.quote("text-to-model")),
    "text-to-model": request_of(lambda: api.tasks.text_to_model("a brass helmet")),
    "text-to-mesh": request_of(lambda: api.tasks.text_to_mesh("a brass helmet"), "if unsent"),
    # A single poll, since a fault would be there at the next one, too.
    "wait": Endpoint(
        lambda client: client.tasks.wait(TASK_ID, timeout=0),
        lambda client: client.tasks.wait(TASK_ID, timeout=0),
        "never",
    ),
}

SUCCESS = "the right value"
RIGHT = (
    UserInfo(**{**ME, "id": UUID(str(ME["id"]))}),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it is what its fields say
    UserBalance(**BALANCE),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # JSON is untyped
    structurer(Task)(TASK, "data"),
    structurer(Quote)(QUOTE, "data"),
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


# Whether anything was sent before such a break is a matter of chance, and so is another attempt that depends on it.
_AT_ONCE = frozenset({"hangs up at once", "reset at once"})
CASES = [
    Case(fault, mode, endpoint)
    for fault in FAULTS
    for mode in MODES
    for endpoint in ENDPOINTS
    if not (fault.name in _AT_ONCE and ENDPOINTS[endpoint].repeated == "if unsent")
]


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
    fault, outcome, repeated = case.fault, case.fault.outcome, ENDPOINTS[case.endpoint].repeated
    again = repeated == "always" or (repeated == "if unsent" and fault.unsent) or outcome is AuthenticationError
    attempts = 1 + (outcome is None) + (fault.retried and again)
    if outcome is None and fault.retried and not again:
        outcome = ConnectionFailedError
    if outcome is not None and case.endpoint == "wait" and not _ends_a_wait(outcome):
        outcome = DeadlineExceededError
    return (outcome.__name__ if outcome else SUCCESS), attempts, 0, 0


def _ends_a_wait(outcome: type[TriverseError]) -> bool:
    return issubclass(outcome, APIError) and not issubclass(outcome, ServerError)


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
        self.broken = False
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
            self.outcome = type(error).__name__ if self._is_honest(error) else "a misleading error"
            # A wait reports the error of its last poll as the cause.
            last = error.__cause__ if isinstance(error.__cause__, TriverseError) else error
            self.broken = isinstance(last, (ConnectionFailedError, DeadlineExceededError))
        self.seconds = time.monotonic() - started

    def check(self, result: object) -> None:
        if isinstance(result, Task):
            result = evolve(result, client_order_id=None)
        if result not in RIGHT:
            self.outcome = "a wrong value"

    def _is_honest(self, error: TriverseError) -> bool:
        """Whether the error of a creation has the id that was sent, and says that a task may exist if one may."""
        received = [] if self.server is None else [request.body for request in self.server.requests]
        if not self.case.endpoint.startswith("text-to-") or not any(received):
            return True
        refused = isinstance(error, APIError) and 400 <= error.status_code < 500
        has_id = all(f'"{error.client_order_id}"'.encode() in body for body in received[-self.attempts :])
        return has_id and error.task_may_exist is not refused

    def settled(self) -> bool:
        """Whether the server has no open connection, except an idle one after a complete response."""
        idle = 0 if self.broken else 1
        return self.server is None or self.server.settled(still_open=idle)

    def hung_up(self) -> None:
        """Let the server hang up after its answer, if it means to."""
        if self.server is not None and not self.case.fault.stays:
            assert self.server.settled()


def _sync(story: Run, url: str) -> None:
    case, call = story.case, ENDPOINTS[story.case.endpoint].sync_way
    with Triverse(story.key, base_url=url, deadline=case.deadline, max_retries=1) as client:
        with story.told():
            story.check(call(client))
        if story.outcome == SUCCESS:
            story.hung_up()
            with story.told():
                story.check(call(client))
        story.settled_while_open = story.settled()


async def _async(story: Run, url: str) -> None:
    case, call = story.case, ENDPOINTS[story.case.endpoint].async_way
    async with AsyncTriverse(story.key, base_url=url, deadline=case.deadline, max_retries=1) as client:
        before = _tasks(case.mode)
        with story.told():
            story.check(await call(client))
        if story.outcome == SUCCESS:
            await anyio.to_thread.run_sync(story.hung_up)
            with story.told():
                story.check(await call(client))
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
