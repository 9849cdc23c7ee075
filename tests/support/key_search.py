"""Collects everything that programs print, store and send of an error, and searches it for a key."""

from __future__ import annotations

import copy
import pickle
import traceback
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import anyio
from rich.traceback import Traceback

import triverse
from support.server import Peer, Server
from triverse import AsyncTriverse

__all__ = ["cancelled_traceback", "occurrences", "our_frames", "traceback_text"]

OURS = str(Path(triverse.__file__).parent)


def encodings(key: str) -> set[str]:
    return {key, quote(key), quote(key, safe=""), b64encode(key.encode()).decode().rstrip("=")}


def our_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback from the first frame of the package on. The frames of the test hold the key."""
    frames = error.__traceback__
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith(OURS):
        frames = frames.tb_next
    return frames


def traceback_text(error: BaseException) -> str:
    """Return all that programs print, store and send of an error, with the variables of each frame of the package."""
    frames = our_frames(error)
    error = error.with_traceback(frames)
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    thawed: BaseException = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    return "\n".join(
        [
            str(error),
            repr(error),
            repr(vars(error)),
            str(vars(thawed)),
            repr(pickle.dumps(error)),
            repr(copy.deepcopy(error)),
            "".join(captured.format()),
            *rich_traceback_text(error, frames),
        ]
    )


def rich_traceback_text(error: BaseException, frames: TracebackType | None) -> Iterator[str]:
    """Return the data of rich's tracebacks. Rendering them takes ten times as long."""
    trace = Traceback.extract(type(error), error, frames, show_locals=True, locals_max_string=100_000)
    yield repr(trace)  # with notes and members of groups, if this version of rich has them
    for stack in trace.stacks:
        yield stack.exc_value
        for frame in stack.frames:
            yield from (f"{name} = {value}" for name, value in (frame.locals or {}).items())


def occurrences(key: str, text: str) -> list[str]:
    return [form for form in encodings(key) if form in text]


def _silent(peer: Peer) -> None:
    peer.request()
    peer.pause()


async def cancelled_traceback(key: str, call: Callable[[AsyncTriverse], Awaitable[object]]) -> str:
    """Cancel a call while it waits for a response. Return the traceback, with the variables of every frame."""
    seen: list[BaseException] = []

    async def run(client: AsyncTriverse) -> None:
        try:
            await call(client)
        except BaseException as cancelled:
            seen.append(cancelled)
            raise

    with Server(_silent) as server:
        async with AsyncTriverse(key, base_url=server.url) as client, anyio.create_task_group() as group:
            group.start_soon(run, client)
            await anyio.to_thread.run_sync(server.heard)
            group.cancel_scope.cancel()
    (cancelled,) = seen
    return "".join(traceback.TracebackException.from_exception(cancelled, capture_locals=True).format())
