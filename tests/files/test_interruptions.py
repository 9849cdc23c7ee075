from __future__ import annotations

import dis
import itertools
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import anyio
import pytest
from support.cancellation import CANCEL_METHODS, CancelMethod, CancelResult, cancelled_at
from support.clients import KEY, run_async
from support.downloads import keep_downloading
from support.file_server import FileServer, Got, Sent, accepted, file_response, serving_files
from support.files import PNG, glb

from triverse import AsyncTriverse, Triverse
from triverse.files import sources

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
OLD, NEW = glb(150_000), glb(200_000)
MODES_AND_WAYS: list[tuple[str, CancelMethod]] = [(mode, way) for mode, ways in CANCEL_METHODS.items() for way in ways]
Work: TypeAlias = Callable[[AsyncTriverse, Path], Coroutine[object, object, object]]


async def download(client: AsyncTriverse, target: Path) -> object:
    return await client.tasks.download(TASK, target, overwrite=True, on_progress=lambda _: anyio.lowlevel.checkpoint())


async def upload(client: AsyncTriverse, target: Path) -> object:
    return await client.uploads.image(target.with_name("source.png"), on_progress=lambda _: anyio.lowlevel.checkpoint())


async def stream(client: AsyncTriverse, _: Path) -> object:
    async with client.tasks.stream(TASK) as reading:
        return await reading.read()


WORK: dict[str, Work] = {"download": download, "upload": upload, "stream": stream}


def serve(got: Got) -> Sent:
    return accepted(got) if got.method == "POST" else file_response(NEW, got)


@pytest.mark.parametrize(("mode", "way"), MODES_AND_WAYS)
@pytest.mark.parametrize("kind", WORK)
def test_a_cancellation_at_any_wait_leaves_nothing_behind(
    mode: Any, way: CancelMethod, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "source.png").write_bytes(PNG + bytes(200_000))
    target = tmp_path / "x.glb"

    async def cut(number: int, server: FileServer) -> CancelResult[object]:
        async with AsyncTriverse(KEY, base_url=server.url) as client:
            return await cancelled_at(number, way, WORK[kind](client, target))

    with serving_files(serve) as server:
        number = 0
        for number in itertools.count(1):
            target.write_bytes(OLD)
            ending = run_async(mode, partial(cut, number, server))
            assert target.read_bytes() in {OLD, NEW}
            assert sorted(path.name for path in tmp_path.iterdir()) == ["source.png", "x.glb"]
            assert server.settled()
            if not ending.reached:
                break
            assert ending.cancelled or ending.value is not None
    assert number > 5


class Interrupt:
    """Raises a KeyboardInterrupt at the n-th line of the modules for files."""

    _FILES = ("/triverse/files/", "/triverse/clients/", "/triverse/api/download")

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, _event: str, _value: object) -> Interrupt | None:
        name = frame.f_code.co_filename
        return self.lines if any(part in name for part in self._FILES) else None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the signature that the interpreter calls

    def lines(self, _frame: FrameType, event: str, _value: object) -> object:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self.lines


def interrupted(server: FileServer, target: Path, interrupt: Interrupt, *, overwrite: bool = True) -> bool:
    """Whether the download was interrupted."""
    with Triverse(KEY, base_url=server.url) as client:
        before = sys.gettrace()
        sys.settrace(interrupt)
        try:
            client.tasks.download(TASK, target, overwrite=overwrite)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
    return False


def interrupt_each_line(directory: Path, old: bytes | None) -> tuple[int, list[int]]:
    """Interrupt a download at each line. Return the number of lines, and the lines that left a file behind."""
    target = directory / "x.glb"
    with serving_files(serve) as server:
        interrupted(server, target, Interrupt(0))  # loads all modules
        left_behind, number = list[int](), 0
        for number in range(1, 100_000):
            target.unlink(missing_ok=True)
            if old is not None:
                target.write_bytes(old)
            if not interrupted(server, target, Interrupt(number), overwrite=old is not None):
                break
            assert not target.exists() or target.read_bytes() in {old, NEW}
            extra = [path for path in directory.iterdir() if path != target]
            left_behind += [number] * len(extra)
            for path in extra:
                path.unlink()
    return number, left_behind


@pytest.mark.skipif(sys.gettrace() is not None, reason="another tracer is at work")
@pytest.mark.parametrize("old", [OLD, None])
def test_a_ctrl_c_at_any_line_leaves_the_old_file_or_the_new_one(old: bytes | None, tmp_path: Path) -> None:
    # In a new thread, because a trace function that raises leaves its thread with a current exception.
    with ThreadPoolExecutor(1) as thread:
        lines, left_behind = thread.submit(interrupt_each_line, tmp_path, old).result()
    assert lines > 200
    assert left_behind == []


def test_no_loop_runs_while_a_function_holds_the_copy_of_a_pipe() -> None:
    # Python 3.13.0 leaves backward jumps of such loops out of the exception table: a Ctrl-C there would skip the close.
    assert not [step for step in dis.get_instructions(sources._spool) if "JUMP_BACKWARD" in step.opname]  # pyright: ignore[reportPrivateUsage]  # only its bytecode shows this


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_leaves_the_old_file_or_the_whole_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)  # a killed process would leave a damaged coverage file
    target, versions = tmp_path / "x.glb", itertools.cycle([OLD, NEW])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["triverse.clients.engine"])
    chance = random.Random(20)  # noqa: S311 - seeded, to be reproducible
    with serving_files(lambda got: file_response(next(versions), got, ranges=False)) as server:
        for _ in range(50):
            ours, theirs = multiprocessing.Pipe()
            process = context.Process(
                target=keep_downloading, args=(theirs, server.url, str(target), KEY, str(TASK)), daemon=True
            )
            process.start()
            theirs.close()
            assert ours.recv() == "ready"
            time.sleep(chance.random() * 0.05)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            ours.close()
            assert target.read_bytes() in {OLD, NEW}
            parts = [path for path in tmp_path.iterdir() if path != target]
            assert len(parts) <= 1
            for part in parts:
                part.unlink()
