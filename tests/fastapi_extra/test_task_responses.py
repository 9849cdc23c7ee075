from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import cast
from uuid import UUID, uuid4

import anyio
import anyio.lowlevel
import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.params import Depends as Dependency
from fastapi.testclient import TestClient
from starlette.types import Message, Scope
from support.service import service

from triverse import (
    AsyncTriverse,
    DeadlineExceededError,
    NotFoundError,
    Request,
    Task,
    TaskFailedError,
    TriverseError,
)
from triverse.api import tasks
from triverse.fastapi import (
    DownloadResponse,
    TaskEventsResponse,
    TriverseDep,
    credits_required,
    get_triverse,
    install_error_handlers,
)
from triverse.fastapi import tasks as task_responses
from triverse.sandbox import Sandbox, SandboxSettings

NUMBER = UUID(int=7)


class ScriptedTasks:
    """Stands for `client.tasks`. Its wait reports these states, and then returns or raises `end`."""

    def __init__(self, states: list[Task], end: Task | TriverseError | None) -> None:
        self._states = states
        self._end = end
        self.cancelled = False

    async def wait(self, _task: object, *, timeout: float, on_update: Callable[[Task], Awaitable[object]]) -> Task:
        assert timeout > 0
        for state in self._states:
            await on_update(state)
        try:
            if self._end is None:
                await anyio.sleep_forever()
        except BaseException:
            self.cancelled = True
            raise
        if isinstance(self._end, TriverseError):
            raise self._end
        assert self._end is not None
        return self._end


class ScriptedClient:
    def __init__(self, scripted: ScriptedTasks) -> None:
        self.tasks = scripted


def response_for(states: list[Task], end: Task | TriverseError | None) -> tuple[TaskEventsResponse, ScriptedTasks]:
    scripted = ScriptedTasks(states, end)
    return TaskEventsResponse(cast("AsyncTriverse", ScriptedClient(scripted)), NUMBER), scripted


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []
    for block in text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def served(states: list[Task], end: Task | TriverseError | None) -> TestClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/events")
    async def read_events() -> TaskEventsResponse:
        return response_for(states, end)[0]

    return TestClient(app)


RUNNING = Task(NUMBER, "RUNNING", progress=40.0)
DONE = Task(NUMBER, "SUCCESS", progress=100.0)
FAILED = Task(NUMBER, "FAILED", error={"code": 2008, "message": "No"})


def test_each_change_is_an_update_and_the_end_is_final() -> None:
    response = served([RUNNING, DONE], DONE).get("/events")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert "content-length" not in response.headers
    assert events(response.text) == [("update", RUNNING.to_dict()), ("finalized", DONE.to_dict())]


def test_a_task_that_failed_is_final_too() -> None:
    response = served([RUNNING, FAILED], TaskFailedError("failed", task=FAILED)).get("/events")
    assert events(response.text) == [("update", RUNNING.to_dict()), ("finalized", FAILED.to_dict())]


def test_an_error_before_the_first_state_is_a_problem_document() -> None:
    response = served([], NotFoundError("No such task", status_code=404)).get("/events")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_an_error_after_the_first_state_is_an_event() -> None:
    late = DeadlineExceededError("late")
    late.task_uuid = NUMBER
    response = served([RUNNING], late).get("/events")
    (_, (name, problem)) = events(response.text)
    assert (name, problem["status"], problem["task_uuid"]) == ("error", 504, str(NUMBER))


@pytest.mark.anyio
async def test_the_wait_ends_when_the_browser_leaves() -> None:
    response, scripted = response_for([RUNNING], None)
    started, sent = anyio.Event(), list[Message]()

    async def receive() -> Message:
        await started.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            started.set()

    scope: Scope = {"type": "http"}
    await response(scope, receive, send)
    assert scripted.cancelled
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


@pytest.mark.anyio
async def test_an_idle_stream_sends_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_seconds: float) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(task_responses, "_sleep", sleep)
    response, _ = response_for([RUNNING], None)
    bodies: list[bytes] = []
    enough = anyio.Event()

    async def receive() -> Message:
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        bodies.append(message.get("body", b""))
        if bodies.count(b": waiting\n\n") == 2:
            enough.set()

    await response({"type": "http"}, receive, send)
    assert bodies[1].startswith(b"event: update\n")


@pytest.mark.anyio
async def test_nothing_is_sent_before_the_first_state(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    enough = anyio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            enough.set()
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(task_responses, "_sleep", sleep)
    response, _ = response_for([], None)
    sent: list[Message] = []

    async def receive() -> Message:
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await response({"type": "http"}, receive, send)
    assert pauses[:3] == [15.0] * 3
    assert not sent


def model_request(prompt: str) -> Request[Task]:
    return tasks.text_to_model(prompt)


def application(sandbox: Sandbox) -> TestClient:
    app = FastAPI()
    install_error_handlers(app)
    client = sandbox.async_client()
    app.dependency_overrides[get_triverse] = lambda: client

    @app.post("/models", dependencies=[credits_required_for(model_request)])
    async def create(prompt: str, client: TriverseDep) -> Task:
        return await client.execute(model_request(prompt))

    @app.post("/helmets", dependencies=[credits_required_for(tasks.text_to_model("a helmet"))])
    async def create_helmet() -> bool:
        return True

    @app.get("/models/{task_uuid}")
    async def download(task_uuid: UUID, client: TriverseDep, *, preview: bool = False) -> DownloadResponse:
        return DownloadResponse(client, task_uuid, preview=preview, inline=preview)

    return TestClient(app)


def credits_required_for(cost: Callable[..., Request[Task]] | Request[Task]) -> Dependency:
    return cast("Dependency", Depends(credits_required(cost)))


def test_a_file_is_passed_on_with_its_name_type_and_size() -> None:
    sandbox = Sandbox(task_seconds=0)
    http = application(sandbox)
    number = http.post("/models?prompt=a+brass+helmet").json()["task_uuid"]
    task = sandbox.demo.tasks[-1]
    response = http.get(f"/models/{number}")
    assert response.content == sandbox.model_of(task)
    assert response.headers["content-disposition"] == f"attachment; filename*=UTF-8''{number}.glb"
    assert response.headers["content-length"] == str(len(response.content))
    preview = http.get(f"/models/{number}?preview=true")
    assert preview.content == sandbox.preview_of(task)
    assert preview.headers["content-disposition"].startswith("inline; ")


def test_a_file_of_unknown_size_is_passed_on_without_one() -> None:
    app = FastAPI()
    file = httpx.ByteStream(b"PK\x03\x04 a ZIP archive")
    app.dependency_overrides[get_triverse] = lambda: service(lambda _: httpx.Response(200, stream=file))

    @app.get("/file")
    async def download(client: TriverseDep) -> DownloadResponse:
        return DownloadResponse(client, NUMBER)

    response = TestClient(app).get("/file")
    assert response.content == b"PK\x03\x04 a ZIP archive"
    assert "content-length" not in response.headers


def test_a_file_that_does_not_exist_is_a_problem_document() -> None:
    response = application(Sandbox()).get(f"/models/{uuid4()}")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


def test_the_quoted_price_decides_whether_a_request_passes() -> None:
    sandbox = Sandbox(task_seconds=0)
    http = application(sandbox)
    assert http.post("/models?prompt=a+brass+helmet").status_code == 200
    assert http.post("/helmets").json() is True
    sandbox.settings = SandboxSettings(prices={"text-to-model": 100_000})
    for path in ("/models?prompt=a+brass+helmet", "/helmets"):
        refused = http.post(path)
        assert (refused.status_code, refused.json()["cost"]) == (402, 100_000)
    assert len(sandbox.demo.tasks) == 1
