from __future__ import annotations

import gc
import json
from collections.abc import Generator

import httpx
import pytest
from support.server import QUOTE as QUOTED
from support.server import envelope

from triverse import AsyncTriverse, ConnectionFailedError, Triverse, api
from triverse.transport.requests import OneChunkStream

BASE_URL = "http://127.0.0.1/api/v1"
QUOTE = api.tasks.quote("text-to-model")


class Breaking(httpx.AsyncBaseTransport):
    """Raises an error when the first chunk of the body is sent."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        assert json.loads(await anext(aiter(request.stream))) == QUOTE.json
        message = "the connection broke"
        raise httpx.WriteError(message, request=request)


@pytest.fixture
def _nothing_for_the_garbage_collector() -> Generator[None]:
    yield
    gc.collect()


@pytest.mark.usefixtures("_nothing_for_the_garbage_collector")
@pytest.mark.anyio
async def test_a_body_that_is_not_sent_to_its_end_leaves_no_generator_behind() -> None:
    async with (
        httpx.AsyncClient(transport=Breaking()) as http_client,
        AsyncTriverse("tv-key-for-tests", base_url=BASE_URL, http_client=http_client, max_retries=0) as client,
    ):
        with pytest.raises(ConnectionFailedError):
            await client.execute(QUOTE)


@pytest.mark.anyio
async def test_a_body_of_one_chunk_can_be_sent_again() -> None:
    stream = OneChunkStream(b"chunk")
    for _ in range(2):
        assert [chunk async for chunk in stream] == [b"chunk"]
        assert [chunk async for chunk in aiter(stream)] == [b"chunk"]
        assert list(stream) == [b"chunk"]


def test_a_body_that_the_users_client_replaced_is_sent() -> None:
    class Signing(httpx.Client):
        def build_request(self, method: str, url: httpx.URL | str, **_options: object) -> httpx.Request:
            return super().build_request(method, url, content=iter([b"signed"]), headers={"Content-Length": "6"})

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.read() == b"signed"
        return httpx.Response(200, json=envelope(QUOTED))

    with (
        Signing(transport=httpx.MockTransport(respond)) as http_client,
        Triverse("tv-key-for-tests", base_url=BASE_URL, http_client=http_client) as client,
    ):
        assert client.execute(QUOTE).affordable
