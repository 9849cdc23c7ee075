"""Tools that observe or replace httpx's traffic see every call."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
import respx
import vcr  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has no types
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.clients import KEY
from support.files import PNG
from support.server import TASK, UPLOADED, envelope, serving

from triverse import AsyncTriverse, Triverse, UserBalance

URL = "https://api.triverse.ai/api/v1/users/balance"
ANSWER = {"code": 0, "message": "success", "data": {"balance": 3.0, "frozen": 1.0}}


def balance() -> UserBalance:
    with Triverse(KEY) as client:
        return client.users.balance()


async def balance_async() -> UserBalance:
    async with AsyncTriverse(KEY) as client:
        return await client.users.balance()


def test_respx_sees_every_call() -> None:
    with respx.mock() as router:
        route = router.get(URL).respond(json=ANSWER)
        assert balance() == asyncio.run(balance_async()) == UserBalance(3.0, 1.0)
        assert route.call_count == 2


def test_respx_sees_every_call_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    test_respx_sees_every_call()


def test_respx_sees_the_next_call_of_a_client_that_has_a_connection_already() -> None:
    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        client.users.balance()
        with respx.mock() as router:
            router.get(f"{server.url}/users/balance").respond(json=ANSWER)
            assert client.users.balance() == UserBalance(3.0, 1.0)


@pytest.fixture
def spans() -> Generator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    yield exporter
    HTTPXClientInstrumentor().uninstrument()


def test_opentelemetry_sees_every_call(spans: InMemorySpanExporter) -> None:
    with serving() as server:
        with Triverse(KEY, base_url=server.url) as client:
            client.users.balance()

        async def main() -> None:
            async with AsyncTriverse(KEY, base_url=server.url) as client:
                await client.users.balance()

        asyncio.run(main())
    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["GET", "GET"]
    sent = [received.header("traceparent").split("-")[1] for received in server.requests]
    assert sent == [f"{span.context.trace_id:032x}" for span in finished if span.context]


USER_TEST = f"""
import asyncio, triverse

async def ask():
    async with triverse.AsyncTriverse({KEY!r}) as client:
        return await client.users.balance()

def test_both(httpx_mock):
    httpx_mock.add_response(url={URL!r}, json={ANSWER!r}, is_reusable=True)
    with triverse.Triverse({KEY!r}) as client:
        assert client.users.balance() == asyncio.run(ask()) == triverse.UserBalance(3.0, 1.0)
    assert len(httpx_mock.get_requests()) == 2
"""


def test_pytest_httpx_sees_every_call(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USER_TEST, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stdout


def test_vcr_records_every_call_and_plays_it_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    cassette = tmp_path_factory.mktemp("vcr") / "calls.yaml"
    recorder = vcr.VCR(filter_headers=["authorization"])
    with serving() as server:
        url = server.url

        async def ask() -> UserBalance:
            async with AsyncTriverse(KEY, base_url=url, max_retries=0) as client:
                return await client.users.balance()

        def ask_both() -> list[UserBalance]:
            with Triverse(KEY, base_url=url, max_retries=0) as client:
                return [client.users.balance(), asyncio.run(ask())]

        with recorder.use_cassette(str(cassette)):  # pyright: ignore[reportUnknownMemberType]  # it has no types
            first = ask_both()
        assert len(server.requests) == 2
    with recorder.use_cassette(str(cassette)):  # pyright: ignore[reportUnknownMemberType]  # it has no types
        assert ask_both() == first


def test_a_client_of_the_user_is_used_through_its_own_send() -> None:
    sent: list[httpx.Request] = []
    with serving() as server, httpx.Client(event_hooks={"request": [sent.append]}) as own:
        Triverse(KEY, base_url=server.url, http_client=own).users.balance()
    assert [request.url.path for request in sent] == ["/api/v1/users/balance"]


def test_respx_sees_the_calls_of_tasks_and_files(tmp_path: Path) -> None:
    base, storage = "https://api.triverse.ai/api/v1", "https://storage.example/preview"
    task = str(TASK["task_uuid"])
    asset = {"download_url": "https://storage.example/model", "preview_url": storage}

    def fetched(request: httpx.Request) -> httpx.Response:
        assert "Authorization" not in request.headers
        return httpx.Response(200, content=PNG)

    async def work_async() -> None:
        async with AsyncTriverse(KEY) as client:
            await client.tasks.wait((await client.tasks.image_to_model(PNG)).task_uuid)
            await client.tasks.download(task, tmp_path / "async.png", preview=True)

    with respx.mock() as router:
        router.post(f"{base}/upload/image").respond(json=envelope(UPLOADED))
        router.post(f"{base}/tasks/image-to-model").respond(json=envelope(TASK))
        router.get(f"{base}/tasks/{task}").respond(json=envelope(TASK))
        router.get(f"{base}/tasks/url/{task}").respond(json=envelope(asset))
        router.get(storage).mock(side_effect=fetched)
        with Triverse(KEY) as client:
            client.tasks.wait(client.tasks.image_to_model(PNG).task_uuid)
            client.tasks.download(task, tmp_path / "sync.png", preview=True)
        asyncio.run(work_async())
        assert [route.call_count for route in router.routes] == [2] * 5
