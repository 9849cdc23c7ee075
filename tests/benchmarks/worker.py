"""One contender in its own process. It reads one job per line, as JSON, and prints its measurement."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks import contenders


async def _in_flight(call: Callable[[], Awaitable[object]], calls: int, at_once: int) -> int:
    """Make this many calls, with this many at once; return how many failed."""
    left = iter(range(calls))
    failed = 0

    async def keep_calling() -> None:
        nonlocal failed
        for _ in left:
            try:
                await call()
            except Exception:  # noqa: BLE001 - every kind of failure is counted
                failed += 1

    await asyncio.gather(*[keep_calling() for _ in range(at_once)])
    return failed


def _in_threads(call: Callable[[], object], calls: int, at_once: int) -> int:
    with ThreadPoolExecutor(at_once) as threads:
        done = [threads.submit(call) for _ in range(calls)]
        return sum(one.exception() is not None for one in done)


def _one_after_another(call: Callable[[], object], calls: int, _at_once: int) -> int:
    for _ in range(calls):
        call()
    return 0


def main(contender: str, url: str, core: int) -> None:
    """Do jobs until standard input ends."""
    os.sched_setaffinity(0, {core})
    kind, _, _name = contender.partition("_")
    make = getattr(contenders, contender)
    with asyncio.Runner() as runner:
        call = make(url)
        for line in sys.stdin:
            job = json.loads(line)
            began, busy = time.perf_counter(), time.process_time()
            if kind == "accounts":
                failed = runner.run(call(job["calls"]))
            elif kind == "async":
                failed = runner.run(_in_flight(call, job["calls"], job["at_once"]))
            else:
                work = _one_after_another if job["at_once"] == 1 else _in_threads
                failed = work(call, job["calls"], job["at_once"])
            wall, cpu = time.perf_counter() - began, time.process_time() - busy
            sys.stdout.write(json.dumps({"wall": wall, "cpu": cpu, "failed": failed}) + "\n")
            sys.stdout.flush()
        # Skip the cleanup: some contenders print long warnings about open connections.
        os._exit(0)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
