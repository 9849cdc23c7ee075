"""Downloads without a transport: a flow, a clock that only moves by pauses, and responses made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

from attrs import define, field, frozen

from triverse import Response, TriverseError
from triverse.api.assets import Asset
from triverse.api.download_flow import download_flow
from triverse.api.downloads import Begin, Data, Download, Open, Read, Stream
from triverse.api.transfers import TransferLimits
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Reply
from triverse.core.flow import Call, Notify
from triverse.core.headers import Headers
from triverse.core.options import Policy
from triverse.core.runtime import Runtime

__all__ = ["TASK", "Answer", "Run", "Scripted", "answer", "asset", "broken", "download", "rest", "stream"]

TASK = UUID("7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f")
BROKEN = AttemptFailed(OSError("reset"), FailureKind.BROKEN)


@frozen
class Answer:
    """A response with a head and a body, which may break off."""

    reply: Reply
    chunks: Sequence[bytes | AttemptFailed] = ()


Scripted: TypeAlias = "Answer | AttemptFailed | Response[Asset] | TriverseError"


def answer(body: bytes | object = b"", status: int = 200, *, cut: int | None = None, **headers: str | None) -> Answer:
    """Return a response. Header names have underscores; None removes a header. `cut` is where the body breaks."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content_length": str(len(data)), **headers}
    raw = [
        (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in named.items() if value is not None
    ]
    end: tuple[AttemptFailed, ...] = () if cut is None else (BROKEN,)
    shown = data if cut is None else data[:cut]
    chunks = [shown[offset : offset + 100] for offset in range(0, len(shown), 100)]
    return Answer(Reply(status, Headers(raw), url="https://api.example/api/v1/tasks/download/1"), (*chunks, *end))


def rest(body: bytes, offset: int, *, cut: int | None = None, **headers: str | None) -> Answer:
    """Return a 206 with the rest of a file."""
    content_range = f"bytes {offset}-{len(body) - 1}/{len(body)}"
    named: dict[str, Any] = {"content_range": content_range, **headers}
    return answer(body[offset:], 206, cut=cut, **named)


def broken(failure: FailureKind = FailureKind.BROKEN) -> AttemptFailed:
    """Return the outcome of an attempt without a response."""
    return BROKEN._replace(failure=failure)


def asset(preview_url: str | None) -> Response[Asset]:
    """Return the response to the request for URLs."""
    return Response(Asset("https://storage.example/x", preview_url), 200, Headers(), 1, 0.1)


@define
class Run:
    """One flow, driven by hand.

    Attributes:
        file: the data since the file last began.
        begins: an entry for each time the file began.
        attempts: the requests that were sent.
    """

    plan: Stream
    policy: Policy = field(factory=Policy)
    secure: bool = True
    must_be_glb: bool = False
    file: bytes = b""
    begins: list[Begin] = field(factory=list[Begin])
    attempts: list[Attempt] = field(factory=list[Attempt])
    calls: list[Call] = field(factory=list[Call])
    notes: list[object] = field(factory=list[object])
    now: float = 1000.0
    _chunks: list[bytes | AttemptFailed] = field(factory=list["bytes | AttemptFailed"])

    @property
    def pauses(self) -> list[float]:
        return [attempt.after for attempt in self.attempts]

    def header(self, name: str, number: int = -1) -> str | None:
        return dict(self.attempts[number].request.headers).get(name)

    def run(self, *script: Scripted) -> TriverseError | None:
        """Answer each request with the next item of the script. Return the error in which the flow ends."""
        runtime = Runtime(lambda: self.now, lambda: 0.0, lambda: 0.5, lambda: "id")
        until = math.inf if self.plan.timeout is None else self.now + self.plan.timeout
        limits = TransferLimits(runtime, self.policy.max_retries, until)
        flow = download_flow(self.plan, self.policy, limits, secure=self.secure, must_be_glb=self.must_be_glb)
        left, outcome, error = list(script), None, None
        try:
            while True:
                outcome = self._perform(flow.send(outcome), left)
        except StopIteration:
            pass
        except TriverseError as raised:
            error = raised
        assert error is None or error.task_uuid == self.plan.task_uuid
        assert not left, f"{len(left)} responses were not requested"
        return error

    def _perform(self, effect: object, left: list[Scripted]) -> Any:
        if isinstance(effect, Read):
            return self._chunks.pop(0) if self._chunks else b""
        if isinstance(effect, (Open, Call)):
            return self._send(effect, left.pop(0))
        if isinstance(effect, Begin):
            self.begins.append(effect)
            self.file = b""
        elif isinstance(effect, Data):
            self.file += effect.chunk
        else:
            assert isinstance(effect, Notify)
            self.notes.append(effect.value)
        return None

    def _send(self, effect: Open | Call, scripted: Scripted) -> object:
        if isinstance(effect, Call):
            self.calls.append(effect)
            self.now += effect.after
            return scripted
        self.attempts.append(effect.attempt)
        self.now += effect.attempt.after
        if not isinstance(scripted, Answer):
            return scripted
        self._chunks = list(scripted.chunks)
        return scripted.reply


def download(max_retries: int = 2, timeout: float | None = None, **options: Any) -> Run:
    """Return the run of a download to a file."""
    names = {name: options.pop(name) for name in ("secure", "must_be_glb", "refreshes_key") if name in options}
    policy = Policy(max_retries=max_retries, refreshes_key=names.pop("refreshes_key", False))
    return Run(Download(task_uuid=TASK, to="x", timeout=timeout, **options), policy, **names)


def stream(max_retries: int = 2, **options: Any) -> Run:
    """Return the run of a download that is read as a stream."""
    return Run(Stream(task_uuid=TASK, **options), Policy(max_retries=max_retries))
