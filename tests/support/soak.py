"""A hundred workers against a server with random faults, and an account of every call, attempt and socket."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import trio

from support.clients import Mode, run_async
from support.faulty_server import KEY, ROOM, Counts
from triverse import AsyncTriverse, DeadlineExceededError, Triverse, TriverseError, UserBalance, UserInfo

__all__ = [
    "CONNECTIONS",
    "DEADLINE",
    "MOST_GROWN",
    "WORKERS",
    "Account",
    "Part",
    "Sample",
    "account",
    "quarters",
    "run",
    "stays_level",
]

WORKERS = 100
CONNECTIONS = 64
DEADLINE = 2.0
# How much the minimum of the last quarter may exceed that of the second quarter: MiB, and Python's objects.
MOST_GROWN = 12.0
MOST_OBJECTS = 5_000
PAGE = os.sysconf("SC_PAGE_SIZE")

# The amounts in correct responses of faults, which do not have the number of the attempt.
_PLAIN = (100.0, 12.5)

# How each attempt ended: with a retry, or with the end of its call.
FOLLOWED, ANSWERED, OUT_OF_TIME, FAILED = 1, 2, 3, 4


@dataclass(frozen=True)
class Sample:
    """A sample of the process: memory in MiB, blocks that Python allocated, sockets, and tasks or threads."""

    memory: float
    blocks: int
    sockets: int
    running: int


@dataclass
class Part:
    """One client, and the records of its workers."""

    mode: Mode
    ends: bytearray = field(default_factory=lambda: bytearray(ROOM))
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    outcomes: Counter[str] = field(default_factory=Counter[str])
    started: Counter[int] = field(default_factory=Counter[int])
    samples: list[Sample] = field(default_factory=list[Sample])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def attempts(self) -> int:
        return ROOM - self.ends.count(0)

    def look(self, running: int) -> None:
        self.samples.append(Sample(memory(), sys.getallocatedblocks(), sockets(), running))


class Worker:
    """Makes one call after another. Each attempt has its own key, by which the server identifies it."""

    def __init__(self, part: Part, number: int) -> None:
        self.part = part
        self.number = number
        self.turn = number
        self.last = 0

    def key(self) -> str:
        self.last = next(self.part.numbers)
        self.part.ends[self.last] = FOLLOWED
        return KEY.format(self.last)

    def begin(self) -> str:
        """Return the name of the method to call next."""
        self.part.started[self.number] += 1
        self.turn += 1
        return "me" if self.turn % 2 else "balance"

    def answered(self, value: UserInfo | UserBalance) -> None:
        number = value.balance if isinstance(value, UserBalance) else value.web_credits_balance
        if number not in (self.last, *_PLAIN):
            message = f"attempt {self.last} got the response to another: {value}"
            raise AssertionError(message)
        self._end("answered", ANSWERED)

    def failed(self, error: TriverseError) -> None:
        self._end(type(error).__name__, OUT_OF_TIME if isinstance(error, DeadlineExceededError) else FAILED)

    def _end(self, outcome: str, how: int) -> None:
        self.part.ends[self.last] = how
        with self.part.lock:
            self.part.outcomes[outcome] += 1


_c = ctypes.CDLL(None)


def memory() -> float:
    """Return the MiB in use, after the C library has returned its free memory to the system."""
    if hasattr(_c, "malloc_trim"):
        _c.malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1024**2


def sockets() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += str(entry.readlink()).startswith("socket:")
    return found


# --- The calls -----------------------------------------------------------------------------------


def work(client: Triverse, worker: Worker, until: float) -> None:
    mine = client.with_options(api_key=worker.key)
    while time.monotonic() < until:
        call: Callable[[], UserInfo | UserBalance] = getattr(mine.users, worker.begin())
        try:
            worker.answered(call())
        except TriverseError as error:
            worker.failed(error)


async def async_work(client: AsyncTriverse, worker: Worker, until: float) -> None:
    mine = client.with_options(api_key=worker.key)
    while time.monotonic() < until:
        try:
            worker.answered(await (mine.users.me() if worker.begin() == "me" else mine.users.balance()))
        except TriverseError as error:
            worker.failed(error)


def run_threads(part: Part, url: str, until: float) -> None:
    part.look(threading.active_count())
    with Triverse("unused-key", base_url=url, deadline=DEADLINE, max_connections=CONNECTIONS) as client:
        threads = [threading.Thread(target=work, args=(client, Worker(part, n), until)) for n in range(WORKERS)]
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            time.sleep(0.5)
            part.look(threading.active_count())
        for thread in threads:
            thread.join()
    part.look(threading.active_count())


async def run_tasks(part: Part, url: str, until: float) -> None:
    part.look(tasks(part.mode))
    async with (
        AsyncTriverse("unused-key", base_url=url, deadline=DEADLINE, max_connections=CONNECTIONS) as client,
        anyio.create_task_group() as group,
    ):
        for number in range(WORKERS):
            group.start_soon(async_work, client, Worker(part, number), until)
        while time.monotonic() < until:
            await anyio.sleep(0.5)
            part.look(tasks(part.mode))
    part.look(tasks(part.mode))


def tasks(mode: Mode) -> int:
    return trio.lowlevel.current_statistics().tasks_living if mode == "trio" else len(asyncio.all_tasks())


def run(mode: Mode, url: str, seconds: float) -> Part:
    part, until = Part(mode), time.monotonic() + seconds
    if mode == "sync":
        run_threads(part, url, until)
    else:
        run_async(mode, lambda: run_tasks(part, url, until))
    return part


# --- The account ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """The outcome of every call and every attempt.

    Attributes:
        started: calls that were begun.
        answered: calls that returned the right value.
        failed: calls that raised a `TriverseError`.
        attempts: attempts of all calls.
        read: requests that the server read.
        unread: connections that the server ended before it read anything.
        expired: attempts whose deadline ran out before they were read.
    """

    started: int
    answered: int
    failed: int
    attempts: int
    read: int
    unread: int
    expired: int


def account(part: Part, counts: Counts, read: bytes) -> Account:
    """Compare the counts of the client with those of the server: no request is missing, and none came twice."""
    outcomes = part.outcomes
    sums = Account(
        sum(part.started.values()),
        outcomes["answered"],
        outcomes.total() - outcomes["answered"],
        part.attempts,
        counts.read,
        counts.unread,
        part.attempts - counts.read - counts.unread,
    )
    assert sums.started == sums.answered + sums.failed
    assert max(read) <= 1, "a request came twice"
    assert not any(read[sums.attempts :]), "a request came that no attempt sent"
    missed = Counter(part.ends[number] for number in range(sums.attempts) if not read[number])
    # A request that was not read met a closed connection, or its attempt had no time left.
    assert missed.total() - missed[OUT_OF_TIME] <= sums.unread
    assert 0 <= sums.expired <= missed[OUT_OF_TIME]
    return sums


def stays_level(part: Part) -> None:
    """Check that the client's resources do not grow, and that closing it releases them."""
    before, *during, after = part.samples
    assert max(sample.sockets for sample in during) <= before.sockets + CONNECTIONS
    # Opening a connection takes up to two tasks on asyncio and on trio.
    assert max(sample.running for sample in during) <= before.running + WORKERS + 2 * CONNECTIONS
    assert (after.sockets, after.running) == (before.sockets, before.running)
    second, last = quarters(part)
    assert last.memory - second.memory < MOST_GROWN, (part.mode, [round(sample.memory) for sample in part.samples])
    assert last.blocks - second.blocks < MOST_OBJECTS, (part.mode, [sample.blocks for sample in part.samples])


def quarters(part: Part) -> tuple[Sample, Sample]:
    """Return the minimum of each number in the second and in the last quarter. Responses in memory come and go."""
    working = part.samples[1:-2]  # at the last sample but one, some workers have ended
    quarter = len(working) // 4
    return _least(working[quarter : 2 * quarter]), _least(working[-quarter:])


def _least(samples: list[Sample]) -> Sample:
    return Sample(
        min(sample.memory for sample in samples),
        min(sample.blocks for sample in samples),
        min(sample.sockets for sample in samples),
        min(sample.running for sample in samples),
    )
