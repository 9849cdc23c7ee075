"""One cell of the fault matrix: calls against a fault, and their outcome."""

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
# The deadline of faults that do not hang: long enough for a busy machine.
PATIENCE = 20.0


@dataclass(frozen=True)
class Endpoint:
    """A call of the API.

    Attributes:
        sync_way: makes the call with a sync client.
        async_way: makes the call with an async client.
        repeated: when the call is retried: after each transient failure, only if nothing was sent, or never.
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
    # A single poll, because each further poll would meet the same fault.
    "wait": Endpoint(
        lambda client: client.tasks.wait(TASK_ID, timeout=0),
        lambda client: client.tasks.wait(TASK_ID, timeout=0),
        "never",
    ),
}

SUCCESS = "the right value"
RIGHT = (
    UserInfo(**{**ME, "id": UUID(str(ME["id"]))}),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the values have the types of the fields
    UserBalance(**BALANCE),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # JSON is untyped
    structurer(Task)(TASK, "data"),
    structurer(Quote)(QUOTE, "data"),
)


@dataclass(frozen=True)
class Case:
    """A fault, a client and an endpoint."""

    fault: Fault
    mode: Mode
    endpoint: str

    @property
    def deadline(self) -> float:
        return DEADLINE if self.fault.hangs else PATIENCE


# Whether anything was sent before these faults varies, so a retry that depends on it varies too.
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
    """The outcome of the calls of a case, and the seconds of the last one.

    Attributes:
        outcome: the class of the error, or `SUCCESS`.
        attempts: how often the key callable was called, which is once per attempt.
        left_open: connections that are open after the call, except an idle one after a complete response.
        left_running: tasks that still run after the call.
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
    """Return the expected kind. Each call has one retry; after a success there is a second call."""
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
def _unreachable(fault: Fault) -> Generator[str]:
    """Yield a URL that accepts no connection: it is refused, or waits in a full backlog."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        if fault.outcome is not DeadlineExceededError:
            listener.close()
            yield f"http://127.0.0.1:{port}/api/v1"
            return
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003 - the signature of the socket module
            with suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}/api/v1"
        for filler in fillers:
            filler.close()


class Run:
    """Records the attempts and the outcome of the calls of a case."""

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
    def recorded(self) -> Generator[None]:
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
        """Whether the error of a creation has the id that was sent, and the correct `task_may_exist`."""
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
        """Wait until the server has closed the connection, if the fault closes it."""
        if self.server is not None and not self.case.fault.stays:
            assert self.server.settled()


def _sync(run: Run, url: str) -> None:
    case, call = run.case, ENDPOINTS[run.case.endpoint].sync_way
    with Triverse(run.key, base_url=url, deadline=case.deadline, max_retries=1) as client:
        with run.recorded():
            run.check(call(client))
        if run.outcome == SUCCESS:
            run.hung_up()
            with run.recorded():
                run.check(call(client))
        run.settled_while_open = run.settled()


async def _async(run: Run, url: str) -> None:
    case, call = run.case, ENDPOINTS[run.case.endpoint].async_way
    async with AsyncTriverse(run.key, base_url=url, deadline=case.deadline, max_retries=1) as client:
        before = _tasks(case.mode)
        with run.recorded():
            run.check(await call(client))
        if run.outcome == SUCCESS:
            await anyio.to_thread.run_sync(run.hung_up)
            with run.recorded():
                run.check(await call(client))
        run.left_running = _tasks(case.mode) - before
        run.settled_while_open = await anyio.to_thread.run_sync(run.settled)


def _tasks(mode: Mode) -> int:
    return trio.lowlevel.current_statistics().tasks_living if mode == "trio" else len(asyncio.all_tasks())


def _run(run: Run, url: str) -> None:
    if run.case.mode == "sync":
        return _sync(run, url)

    async def main() -> None:
        await _async(run, url)

    return run_async(run.case.mode, main)


def measure(case: Case) -> Measurement:
    """Make the calls of a case."""
    fault = case.fault
    if fault.script is None:
        with _unreachable(fault) as url:
            run = Run(case, None)
            _run(run, url)
        left_open = 0
    else:
        with Server(fault.script, fault.context and fault.context()) as server:
            run = Run(case, server)
            _run(run, server.url)
            left_open = int(not run.settled_while_open) or (0 if server.settled() else server.open_now)
    return Measurement(run.outcome, run.attempts, left_open, run.left_running, run.seconds)
