"""Uploads of 200 MB and downloads of 300 MB, compared with other libraries.

    PYTHONPATH=tests python -m benchmarks.transfers ENVIRONMENTS [--quick]

Each run is a new process, which prints the seconds of the transfer, and the MiB by which its memory grew. The page is
`docs/evidence/transfers.md`.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.bench import ROOT, Machine, Result, in_turns, summary
from benchmarks.report import Entry, tables

__all__ = ["measure_transfers"]

SIZE: Final = 200_000_000
ROUNDS: Final = 7
CLIENT_CORE: Final = 0

_HEAD: Final = """
import asyncio, os, time
os.sched_setaffinity(0, {core})
URL, FILE, OUT = "{url}", "{file}", "{out}"
TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

def measure(work):
    before, began = peak(), time.perf_counter()
    work()
    print(time.perf_counter() - began, max(0.1, peak() - before))

held_up = 0.0

async def watch_the_loop():
    global held_up
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        held_up = max(held_up, time.perf_counter() - before - 0.001)

async def ameasure(work):
    watch = asyncio.ensure_future(watch_the_loop()) if {watches} else None
    before, began = peak(), time.perf_counter()
    await work()
    took = time.perf_counter() - began
    if watch:
        watch.cancel()
    print(held_up if watch else took, max(0.1, peak() - before))

def chunks():
    with open(FILE, "rb") as file:
        while chunk := file.read(65536):
            yield chunk

async def achunks():
    for chunk in chunks():
        yield chunk

LENGTH = {{"Content-Length": str(os.path.getsize(FILE))}}
PLAIN = {{"Accept-Encoding": "identity"}}
"""

UPLOAD: Final = {
    "triverse": """
from triverse import Triverse
client = Triverse("tv-0123456789", base_url=URL + "/api/v1")
client.uploads.model(b"warm")
measure(lambda: client.uploads.model(FILE))
""",
    "httpx": """
import httpx
client = httpx.Client()
client.post(URL + "/x", content=b"warm")
measure(lambda: client.post(URL + "/x", content=chunks(), headers=LENGTH).raise_for_status())
""",
    "requests": """
import requests
session = requests.Session()
session.post(URL + "/x", data=b"warm")
def work():
    with open(FILE, "rb") as file:
        session.post(URL + "/x", files={"file": file}).raise_for_status()
measure(work)
""",
    "openai": """
from pathlib import Path
from openai import OpenAI
client = OpenAI(api_key="x", base_url=URL + "/v1")
client.files.create(file=b"warm", purpose="assistants")
measure(lambda: client.files.create(file=Path(FILE), purpose="assistants"))
""",
}
ASYNC_UPLOAD: Final = {
    "triverse": """
from triverse import AsyncTriverse
async def main():
    async with AsyncTriverse("tv-0123456789", base_url=URL + "/api/v1") as client:
        await client.uploads.model(b"warm")
        await ameasure(lambda: client.uploads.model(FILE))
asyncio.run(main())
""",
    "httpx": """
import httpx
async def main():
    async with httpx.AsyncClient() as client:
        await client.post(URL + "/x", content=b"warm")
        await ameasure(lambda: client.post(URL + "/x", content=achunks(), headers=LENGTH))
asyncio.run(main())
""",
    "aiohttp": """
import aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        await session.post(URL + "/x", data=b"warm")
        async def work():
            with open(FILE, "rb") as file:
                form = aiohttp.FormData()
                form.add_field("file", file, filename="x.glb")
                async with session.post(URL + "/x", data=form) as response:
                    await response.read()
        await ameasure(work)
asyncio.run(main())
""",
    "openai": """
from pathlib import Path
from openai import AsyncOpenAI
async def main():
    client = AsyncOpenAI(api_key="x", base_url=URL + "/v1")
    await client.files.create(file=b"warm", purpose="assistants")
    await ameasure(lambda: client.files.create(file=Path(FILE), purpose="assistants"))
asyncio.run(main())
""",
}
DOWNLOAD: Final = {
    "triverse": """
from triverse import Triverse
client = Triverse("tv-0123456789", base_url=URL + "/api/v1")
client.uploads.model(b"warm")
client.tasks  # imports what the others have imported by now
measure(lambda: client.tasks.download(TASK, OUT))
""",
    "httpx": """
import httpx
client = httpx.Client()
client.post(URL + "/x", content=b"warm")
def work():
    with client.stream("GET", URL + "/file", headers=PLAIN) as response, open(OUT, "wb") as file:
        for chunk in response.iter_raw(65536):
            file.write(chunk)
measure(work)
""",
    "requests": """
import requests
session = requests.Session()
session.post(URL + "/x", data=b"warm")
def work():
    with session.get(URL + "/file", stream=True, headers=PLAIN) as response, open(OUT, "wb") as file:
        for chunk in response.iter_content(65536):
            file.write(chunk)
measure(work)
""",
    "openai": """
from openai import OpenAI
client = OpenAI(api_key="x", base_url=URL + "/v1")
client.files.create(file=b"warm", purpose="assistants")
def work():
    with client.files.with_streaming_response.content("x") as response:
        response.stream_to_file(OUT, chunk_size=65536)
measure(work)
""",
}
ASYNC_DOWNLOAD: Final = {
    "triverse": """
from triverse import AsyncTriverse
async def main():
    async with AsyncTriverse("tv-0123456789", base_url=URL + "/api/v1") as client:
        await client.uploads.model(b"warm")
        client.tasks  # imports what the others have imported by now
        await ameasure(lambda: client.tasks.download(TASK, OUT))
asyncio.run(main())
""",
    "httpx": """
import httpx
async def main():
    async with httpx.AsyncClient() as client:
        await client.post(URL + "/x", content=b"warm")
        async def work():
            async with client.stream("GET", URL + "/file", headers=PLAIN) as response:
                with open(OUT, "wb") as file:
                    async for chunk in response.aiter_raw(65536):
                        file.write(chunk)
        await ameasure(work)
asyncio.run(main())
""",
    "aiohttp": """
import aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        await session.post(URL + "/x", data=b"warm")
        async def work():
            async with session.get(URL + "/file", headers=PLAIN) as response:
                with open(OUT, "wb") as file:
                    async for chunk in response.content.iter_chunked(65536):
                        file.write(chunk)
        await ameasure(work)
asyncio.run(main())
""",
    "openai": """
from openai import AsyncOpenAI
async def main():
    client = AsyncOpenAI(api_key="x", base_url=URL + "/v1")
    await client.files.create(file=b"warm", purpose="assistants")
    async def work():
        async with client.files.with_streaming_response.content("x") as response:
            await response.stream_to_file(OUT, chunk_size=65536)
    await ameasure(work)
asyncio.run(main())
""",
    "tripo3d": """
from tripo3d import TripoClient
async def main():
    client = TripoClient(api_key="tsk_x", v3_base_url=URL)
    await ameasure(lambda: client.download_file(URL + "/file", OUT))
    await client.close()
asyncio.run(main())
""",
}
TRANSFERS: Final = {
    "upload of 200 MB, sync": UPLOAD,
    "upload of 200 MB, async": ASYNC_UPLOAD,
    "download of 300 MB, sync": DOWNLOAD,
    "download of 300 MB, async": ASYNC_DOWNLOAD,
}
ENVIRONMENTS_OF_TRANSFERS: Final = ("triverse", "httpx", "requests", "aiohttp", "openai", "tripo3d")
_PAGE: Final = """# Transfers

Uploads of 200 MB and downloads of 300 MB over the loopback interface, in fresh processes that take turns, with the same
chunk size where a contender has one. The memory is the peak beyond what the process had before the transfer; triverse
promises at most 16 MiB. A ratio is the time of triverse divided by that of the contender, so less is better. The goal
for bare httpx, 1.11, is 0.9 of its throughput. tripo3d writes to the disk on the event loop, into the target itself,
and checks neither size nor content.

Measured on {date} by `nox -s bench`, with Python {python}.
"""

# At least 0.9 of the throughput of bare httpx, and faster than the others that stream.
GOALS: Final = {"httpx": 1 / 0.9, "requests": 1.0, "openai": 1.0, "tripo3d": 1.0}


def measure_transfers(machine: Machine) -> list[Entry]:
    """Run all contenders in turns, and return a row of times and a row of memory for each kind of transfer."""
    entries: list[Entry] = []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "large.bin")
        file.write_bytes(os.urandom(1_000_000) * (SIZE // 1_000_000))
        for title, code in TRANSFERS.items():
            entries += _measure(machine, title, code, file)
        for title in ("upload of 200 MB, async", "download of 300 MB, async"):
            entries.append(_measure_hold_up(machine, title, TRANSFERS[title], file))
    return entries


def _measure_hold_up(machine: Machine, title: str, code: dict[str, str], file: Path) -> Entry:
    """Return the longest time, in microseconds, in which the event loop runs nothing else. The limit is 20 ms."""
    work = {name: partial(_run, machine, name, script, file, watches=True) for name, script in code.items()}
    results = in_turns(work, 3 if machine.quick else ROUNDS)
    held_up = {name: summary({"wall": [one["wall"] for one in given]}) for name, given in results.items()}
    return Entry(f"{title}: longest time that the event loop is held up", "wall", "µs", held_up, {}, {}, 0.0)


def _measure(machine: Machine, title: str, code: dict[str, str], file: Path) -> list[Entry]:
    work = {name: partial(_run, machine, name, script, file) for name, script in code.items()}
    in_turns(work, 1)  # fills the caches of the disk
    results = in_turns(work, 3 if machine.quick else ROUNDS)
    times = {name: summary({"wall": [one["wall"] for one in given]}) for name, given in results.items()}
    memory = {name: summary({"memory": [one["memory"] for one in given]}) for name, given in results.items()}
    goals = {name: goal for name, goal in GOALS.items() if name in code}
    return [
        Entry(title, "wall", "µs", times, goals, {}, 0.0),
        Entry(f"{title}: memory beyond the source", "memory", "MiB", memory, {}, {}, 0.0),
    ]


def _run(machine: Machine, name: str, script: str, file: Path, *, watches: bool = False) -> Result:
    out = file.with_name("out")
    out.unlink(missing_ok=True)
    head = _HEAD.format(url=machine.url("files"), file=file, out=out, core={CLIENT_CORE}, watches=watches)
    command = [machine.python(name), "-c", head + script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=machine.environment())
    seconds, mebibytes = done.stdout.split()
    return {"wall": float(seconds), "memory": float(mebibytes) / 1e6}


def main(environments: str, *options: str) -> None:
    """Measure the transfers, and write their page."""
    with tempfile.TemporaryDirectory() as certificates:
        machine = Machine(Path(environments), Path(certificates), "--quick" in options)
        machine.build(ENVIRONMENTS_OF_TRANSFERS)
        with machine.serving():
            entries = measure_transfers(machine)
    text = _PAGE.format(date=datetime.now(UTC).date().isoformat(), python=platform.python_version())
    ROOT.joinpath("docs", "evidence", "transfers.md").write_text(text + tables(entries), encoding="utf-8")
    for entry in entries:
        print(entry.title, entry.ratios())


if __name__ == "__main__":
    main(*sys.argv[1:])
