"""Quotes, creations, waits and transfers never show the key, even if the service repeats it."""

from __future__ import annotations

import io
import pickle
import warnings
from base64 import b64encode
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from tempfile import gettempdir
from typing import TypeAlias
from urllib.parse import quote

import pytest
from support.clients import MODES, Mode, drive
from support.files import PNG
from support.finished_task import read_async_stream, read_stream
from support.key_search import cancelled_traceback, occurrences, traceback_text
from support.recording import no_backoff
from support.server import TASK, Received, answer, envelope, serving

from triverse import AsyncTriverse, InvalidResponseError, Task, TaskFailedError, Triverse, TriverseError

KEY = "tv/live+key=0123456789%abcdef"
TASK_ID = str(TASK["task_uuid"])

# Nothing is written there, because each download in this file fails.
TARGET = Path(gettempdir(), "triverse-test-of-secrecy.glb")


Ways: TypeAlias = tuple[Callable[[Triverse], object], Callable[[AsyncTriverse], Awaitable[object]]]
CALLS: dict[str, Ways] = {
    "quote": (lambda c: c.tasks.quote("text-to-model"), lambda c: c.tasks.quote("text-to-model")),
    "create": (lambda c: c.tasks.text_to_model("a helmet"), lambda c: c.tasks.text_to_model("a helmet")),
    "wait": (lambda c: c.tasks.wait(TASK_ID, timeout=0), lambda c: c.tasks.wait(TASK_ID, timeout=0)),
    "asset": (lambda c: c.tasks.asset(TASK_ID), lambda c: c.tasks.asset(TASK_ID)),
    "upload": (lambda c: c.uploads.image(PNG), lambda c: c.uploads.image(PNG)),
    "download": (lambda c: c.tasks.download(TASK_ID, TARGET), lambda c: c.tasks.download(TASK_ID, TARGET)),
    "preview": (
        lambda c: c.tasks.download(TASK_ID, TARGET, preview=True),
        lambda c: c.tasks.download(TASK_ID, TARGET, preview=True),
    ),
    "stream": (lambda c: read_stream(c, TASK_ID), lambda c: read_async_stream(c, TASK_ID)),
}

each_call = pytest.mark.parametrize("call", CALLS)
each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(autouse=True)
def _no_backoff() -> Generator[None]:
    with no_backoff():
        yield


def outcome_of(mode: Mode, call: str, url: str) -> object:
    try:
        return drive(mode, *CALLS[call], base_url=url, api_key=KEY, max_retries=1)
    except TriverseError as error:
        return error


def shown(outcome: object) -> str:
    """Return all texts and bytes of an outcome that a user or a tool may see."""
    text = f"{outcome!r} {outcome} {pickle.dumps(outcome)!r}"
    if isinstance(outcome, TriverseError):
        text += traceback_text(outcome) + repr(outcome.task)
    return text


def echo(received: Received, status: int) -> bytes:
    key = received.header("Authorization").removeprefix("Bearer ")
    body = {"code": 1001, "message": f"{key} and client_order_id", "suggestion": b64encode(key.encode()).decode()}
    return answer(body, status, {"X-Echo": key, "X-Request-Id": key, "Retry-After": "0"}, reason=key)


def echoed_in_a_task(received: Received, **fields: object) -> bytes:
    """Return a task with the key in each of its fields, even in those that are no text."""
    key = received.header("Authorization").removeprefix("Bearer ")
    texts = dict.fromkeys(("flow_name", "created_at", "progress", "read_after_write_header", "client_order_id"), key)
    objects = {"error": {"message": key}, "output": {key: key}, "queue": {"position": key}, "unknown": [key, {key: 1}]}
    return answer(envelope({**TASK, **texts, **objects, **fields}))


@each_mode
@each_call
def test_a_response_that_repeats_the_key_does_not_show_it(
    call: str, mode: Mode, everything_logged: io.StringIO
) -> None:
    for status in (200, 302, 400, 401, 403, 404, 409, 429, 500, 503):
        if (call, status) == ("upload", 429):
            continue  # an upload waits until the service accepts it
        with (
            warnings.catch_warnings(record=True) as warned,
            serving(lambda received, status=status: echo(received, status)) as server,  # type: ignore[misc]  # mypy does not infer such a lambda
        ):
            outcome = outcome_of(mode, call, server.url)
        assert isinstance(outcome, TriverseError)
        assert not occurrences(KEY, shown(outcome) + str(warned)), status
    assert not TARGET.exists()
    assert not occurrences(KEY, everything_logged.getvalue())


@each_mode
@pytest.mark.parametrize("url", [f"ftp://files.example/{KEY}", f"/{KEY}", f"http://{quote(KEY, safe='')}@127.0.0.1:9/"])
def test_a_preview_url_that_repeats_the_key_does_not_show_it(
    url: str, mode: Mode, everything_logged: io.StringIO
) -> None:
    with serving(lambda _: answer(envelope({"download_url": url, "preview_url": url}))) as server:
        outcome = outcome_of(mode, "preview", server.url)
    assert isinstance(outcome, InvalidResponseError)
    assert not occurrences(KEY, shown(outcome) + everything_logged.getvalue())


@each_mode
@pytest.mark.parametrize("call", ["create", "wait"])
@pytest.mark.parametrize(
    ("fields", "kind"),
    [({}, Task), ({"status": "FAILED"}, TaskFailedError), ({"status": 5}, TriverseError), ({"status": KEY}, object)],
)
def test_a_task_that_repeats_the_key_does_not_show_it(
    call: str, fields: dict[str, object], kind: type, mode: Mode, everything_logged: io.StringIO
) -> None:
    with serving(lambda received: echoed_in_a_task(received, **fields)) as server:
        outcome = outcome_of(mode, call, server.url)
    assert isinstance(outcome, kind if call == "wait" else (Task, TriverseError))
    assert not occurrences(KEY, shown(outcome) + everything_logged.getvalue())


@each_call
@pytest.mark.anyio
async def test_a_cancelled_call_shows_no_key_in_any_frame(call: str) -> None:
    captured = await cancelled_traceback(KEY, CALLS[call][1])
    assert "/triverse/clients/async_" in captured
    assert (TASK_ID if call == "wait" else "client_order_id" if call == "create" else "") in captured
    assert not occurrences(KEY, captured)
