"""Uploads and downloads for tasks: runs their flows over the transport, and the disk in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, Generic, Never, Protocol, TypeVar, cast

import anyio

from triverse.api.download_flow import DownloadFlow, download_flow
from triverse.api.downloads import AsyncDownloadStream, Begin, Data, Download, Open, Read, Stream
from triverse.api.transfers import AsyncOnProgress, TransferLimits
from triverse.api.upload_flow import upload_flow
from triverse.clients.transfers import single_call, transfer_limits
from triverse.clients.upload_window import UploadWindows
from triverse.core.attempt import Attempt, AttemptFailed, Outcome
from triverse.core.callbacks import call_async, check_callback
from triverse.core.errors import DeadlineExceededError, TransportError, TriverseError
from triverse.core.flow import Flow, Notify
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret
from triverse.files.targets import Target
from triverse.files.uploads import OpenedUpload, open_uploads
from triverse.transport.async_reply_stream import AsyncReplyStream
from triverse.transport.async_threads import run_in_thread
from triverse.transport.asynchronous import AsyncTransport
from triverse.transport.event_loops import is_running_here, running_loop

__all__ = ["AsyncTransferEngine", "download_file", "open_stream", "send_files"]

T = TypeVar("T")

# A step to a thread and back takes some 50 us, as long as receiving a chunk of 64 KiB from a local server.
_BATCH_BYTES: Final = 1024 * 1024


class AsyncTransferEngine(Protocol):
    """What transfers require of the engine."""

    # ruff: noqa: D102 - the names of the engine need no explanation
    @property
    def policy(self) -> Policy: ...

    @property
    def transport(self) -> AsyncTransport: ...

    @property
    def runtime(self) -> Runtime: ...

    @property
    def upload_windows(self) -> UploadWindows: ...

    async def current_key(self) -> Secret: ...

    def converted(self, error: TriverseError, /) -> TriverseError: ...

    async def pause(self, seconds: float, /) -> object: ...

    async def run(self, flow: Flow[Never, T]) -> T: ...


async def send_files(
    engine: AsyncTransferEngine,
    requests: Sequence[Request[T]],
    timeout: float | None = None,
    on_progress: AsyncOnProgress | None = None,
) -> list[Response[T]]:
    """Open and check all files, then upload one after the other."""
    check_callback("on_progress", on_progress, may_be_async=True)
    limits = transfer_limits(engine.policy, engine.runtime, timeout)
    opening, loop = Opening(requests), running_loop()
    try:
        with anyio.move_on_after(timeout) as scope:
            # A read from a pipe cannot be interrupted, so a thread that waits for one is left to itself.
            await run_in_thread(opening.open, abandon_on_cancel=True)
        if scope.cancelled_caught:
            raise DeadlineExceededError("the timeout ran out before the source was read. Raise `timeout`")
        return [await _send_file(engine, upload, limits, on_progress) for upload in opening.uploads]
    finally:
        await _finish(loop, opening.close)


class Opening(Generic[T]):
    """Files that a thread opens, and that are closed even if nothing waits for the thread any more."""

    def __init__(self, requests: Sequence[Request[T]]) -> None:
        self.uploads: list[OpenedUpload[T]] = []
        self._requests = requests
        self._is_closed = False

    def open(self) -> None:
        """Open and check all files."""
        open_uploads(self._requests, self.uploads)
        if self._is_closed:
            self.close()

    def close(self) -> None:
        """Close all that is open."""
        self._is_closed = True
        for upload in self.uploads:
            upload.close()


async def _send_file(
    engine: AsyncTransferEngine, upload: OpenedUpload[T], limits: TransferLimits, on_progress: AsyncOnProgress | None
) -> Response[T]:
    report = None if on_progress is None else partial(call_async, on_progress)
    request, body = upload.request(engine.runtime.new_id(), report)
    window = engine.upload_windows.of(await engine.current_key())
    return await engine.run(upload_flow(request, body, window, limits))


async def download_file(engine: AsyncTransferEngine, plan: Download) -> Path:
    """Download to a file, which appears under its name complete or not at all."""
    check_callback("on_progress", plan.on_progress, may_be_async=True)
    target, loop = Target(plan.to, overwrite=plan.overwrite), running_loop()
    await run_in_thread(target.check)
    try:
        transfer = _start(engine, plan, must_be_glb=target.must_be_glb)
        try:
            await _write(transfer, target)
        finally:
            await transfer.aclose()
        return await run_in_thread(target.publish)
    finally:
        await _finish(loop, target.discard)


async def _write(transfer: _AsyncTransfer, target: Target) -> None:
    batch: list[bytes] = []
    size = 0
    while (event := await transfer.advance()) is not None:
        if isinstance(event, Begin):
            batch, size = [], 0
            await run_in_thread(partial(target.begin, event.filename))
            continue
        batch.append(event.chunk)
        size += len(event.chunk)
        if size >= _BATCH_BYTES:
            await run_in_thread(partial(target.write, batch))
            batch, size = [], 0
    await run_in_thread(partial(target.write, batch))


async def _finish(loop: object, clean_up: Callable[[], None]) -> None:
    """Clean up in a thread: a file system may take long to free a large file."""
    try:
        if is_running_here(loop):
            with anyio.CancelScope(shield=True), suppress(TransportError):
                await run_in_thread(clean_up)
    finally:
        clean_up()  # once more, in case that no thread could be started


def open_stream(engine: AsyncTransferEngine, plan: Stream) -> AsyncDownloadStream:
    """Return the stream of a download; the request is made when its block is entered."""
    return AsyncDownloadStream(partial(_start, engine, plan))


def _start(engine: AsyncTransferEngine, plan: Stream, *, must_be_glb: bool = False) -> _AsyncTransfer:
    limits = transfer_limits(engine.policy, engine.runtime, plan.timeout)
    secure = engine.transport.base_url.startswith("https:")
    return _AsyncTransfer(engine, download_flow(plan, engine.policy, limits, secure=secure, must_be_glb=must_be_glb))


class _AsyncTransfer:
    """Runs the flow of one download."""

    def __init__(self, engine: AsyncTransferEngine, flow: DownloadFlow) -> None:
        self._engine = engine
        self._flow = flow
        self._outcome: object = None
        self._response = AsyncExitStack()
        self._stream: AsyncReplyStream | None = None
        self._is_at_storage = False

    async def advance(self) -> Begin | Data | None:
        """Return what comes next; None at the end of the file."""
        try:
            return await self._advance()
        except TriverseError as error:
            # The storage was sent no key, so its errors are not about one.
            converted = error if self._is_at_storage else self._engine.converted(error)
            if converted is error:
                raise
            raise converted from error

    async def _advance(self) -> Begin | Data | None:
        while True:
            try:
                effect = self._flow.send(self._outcome)
            except StopIteration:
                return None
            self._outcome = None
            if isinstance(effect, (Data, Begin)):
                return effect
            if isinstance(effect, Read):
                self._outcome = await cast("AsyncReplyStream", self._stream).read()
            elif isinstance(effect, Open):
                self._outcome = await self._open(effect.attempt)
            elif isinstance(effect, Notify):
                pending = call_async(effect.callback, effect.value)
                if pending is not None:
                    await pending
            else:
                await self._response.aclose()
                self._outcome = await self._engine.run(single_call(effect))

    async def _open(self, attempt: Attempt) -> Outcome:
        await self._response.aclose()
        self._is_at_storage = attempt.request.url is not None
        await self._engine.pause(attempt.after)
        key = await self._engine.current_key()
        opened = await self._response.enter_async_context(self._engine.transport.open(attempt, key))
        if isinstance(opened, AttemptFailed):
            return opened
        self._stream = opened
        return opened.reply

    async def aclose(self) -> None:
        """Close the connection."""
        self._flow.close()
        await self._response.aclose()
