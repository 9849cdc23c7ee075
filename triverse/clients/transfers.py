"""Uploads and downloads for threads: runs their flows over the transport and the disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Never, Protocol, TypeAlias, TypeVar, cast

from triverse.api.download_flow import DownloadFlow, download_flow
from triverse.api.downloads import Begin, Data, Download, DownloadStream, Open, Read, Stream
from triverse.api.transfers import OnProgress, TransferLimits
from triverse.api.upload_flow import upload_flow
from triverse.clients.upload_window import UploadWindows
from triverse.core.attempt import Attempt, AttemptFailed, Outcome
from triverse.core.callbacks import call_sync, check_callback
from triverse.core.flow import Call, Flow, Notify
from triverse.core.options import Policy, positive_seconds
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret
from triverse.files.targets import Target
from triverse.files.uploads import OpenedUpload, open_uploads
from triverse.transport.reply_stream import ReplyStream
from triverse.transport.sync import Transport

__all__ = ["TransferEngine", "download_file", "open_stream", "send_files", "single_call", "transfer_limits"]

T = TypeVar("T")
Opening: TypeAlias = AbstractContextManager[ReplyStream | AttemptFailed]


class TransferEngine(Protocol):
    """What transfers require of the engine."""

    # ruff: noqa: D102 - the names of the engine need no explanation
    @property
    def policy(self) -> Policy: ...

    @property
    def transport(self) -> Transport: ...

    @property
    def runtime(self) -> Runtime: ...

    @property
    def upload_windows(self) -> UploadWindows: ...

    def current_key(self) -> Secret: ...

    def pause(self, seconds: float, /) -> object: ...

    def run(self, flow: Flow[Never, T]) -> T: ...


def transfer_limits(policy: Policy, runtime: Runtime, timeout: float | None) -> TransferLimits:
    """Return how long and how often a transfer may be tried, from now on.

    Raises:
        ConfigurationError: the timeout is not a positive number.
    """
    seconds = math.inf if timeout is None else positive_seconds("timeout", timeout, "seconds or None")
    return TransferLimits(runtime, policy.max_retries, runtime.monotonic() + seconds)


def single_call(call: Call) -> Flow[Never, object]:
    """The flow of one call, which returns its response or its error."""
    return (yield call)


def send_files(
    engine: TransferEngine,
    requests: Sequence[Request[T]],
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
) -> list[Response[T]]:
    """Open and check all files, then upload one after the other."""
    check_callback("on_progress", on_progress, may_be_async=False)
    limits = transfer_limits(engine.policy, engine.runtime, timeout)
    uploads: list[OpenedUpload[T]] = []
    try:
        open_uploads(requests, uploads)
        return [_send_file(engine, upload, limits, on_progress) for upload in uploads]
    finally:
        for upload in uploads:
            upload.close()


def _send_file(
    engine: TransferEngine, upload: OpenedUpload[T], limits: TransferLimits, on_progress: OnProgress | None
) -> Response[T]:
    report = None if on_progress is None else partial(call_sync, "on_progress", on_progress)
    request, body = upload.request(engine.runtime.new_id(), report)
    return engine.run(upload_flow(request, body, engine.upload_windows.of(engine.current_key()), limits))


def download_file(engine: TransferEngine, plan: Download) -> Path:
    """Download to a file, which appears under its name complete or not at all."""
    check_callback("on_progress", plan.on_progress, may_be_async=False)
    target = Target(plan.to, overwrite=plan.overwrite)
    target.check()
    # Twice, since a Ctrl-C may interrupt the first removal of the temporary file, or the first closing.
    with target, target:
        transfer = _start(engine, plan, must_be_glb=target.must_be_glb)
        with closing(transfer), closing(transfer):
            _write(transfer, target)
        return target.publish()


def _write(transfer: _Transfer, target: Target) -> None:
    # Not inside of the `with` of `download_file()`: Python 3.13.0 leaves backward jumps of such loops out of the
    # exception table, so that a KeyboardInterrupt there would skip the end of the block.
    while (event := transfer.advance()) is not None:
        if isinstance(event, Begin):
            target.begin(event.filename)
        else:
            target.write((event.chunk,))


def open_stream(engine: TransferEngine, plan: Stream) -> DownloadStream:
    """Return the stream of a download; the request is made when its block is entered."""
    return DownloadStream(partial(_start, engine, plan))


def _start(engine: TransferEngine, plan: Stream, *, must_be_glb: bool = False) -> _Transfer:
    limits = transfer_limits(engine.policy, engine.runtime, plan.timeout)
    secure = engine.transport.base_url.startswith("https:")
    return _Transfer(engine, download_flow(plan, engine.policy, limits, secure=secure, must_be_glb=must_be_glb))


class _Transfer:
    """Runs the flow of one download."""

    def __init__(self, engine: TransferEngine, flow: DownloadFlow) -> None:
        self._engine = engine
        self._flow = flow
        self._outcome: object = None
        self._response: Opening | None = None
        self._stream: ReplyStream | None = None

    def advance(self) -> Begin | Data | None:
        """Return what comes next; None at the end of the file."""
        while True:
            try:
                effect = self._flow.send(self._outcome)
            except StopIteration:
                return None
            self._outcome = None
            if isinstance(effect, (Data, Begin)):
                return effect
            if isinstance(effect, Read):
                self._outcome = cast("ReplyStream", self._stream).read()
            elif isinstance(effect, Open):
                self._outcome = self._open(effect.attempt)
            elif isinstance(effect, Notify):
                call_sync(effect.name, effect.callback, effect.value)
            else:
                self._close_response()
                self._outcome = self._engine.run(single_call(effect))

    def _open(self, attempt: Attempt) -> Outcome:
        self._close_response()
        self._engine.pause(attempt.after)
        # Not in an ExitStack, which forgets what it closes before it has closed it.
        self._response = self._engine.transport.open(attempt, self._engine.current_key())
        opened = self._response.__enter__()
        if isinstance(opened, AttemptFailed):
            return opened
        self._stream = opened
        return opened.reply

    def _close_response(self) -> None:
        if self._response is not None:
            # With an error, since without one a generator that an interrupt kept from starting would start here.
            self._response.__exit__(GeneratorExit, GeneratorExit(), None)
            self._response = None

    def close(self) -> None:
        """Close the connection. After a KeyboardInterrupt, it can be called again."""
        try:
            self._flow.close()
        finally:
            self._close_response()
