"""At most six frames of this package are between the user's line and httpx.

They are the method, the two `send()` that a subclass may override, the engine's `send()` and exchange, and the attempt.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from support.clients import KEY
from support.server import BALANCE, envelope

import triverse
from triverse import AsyncTriverse, Triverse

HOME = triverse.__path__[0]
MAX_DEPTH = 6


def depth() -> int:
    """Return how many frames of this package are on the stack."""
    return sum(frame.filename.startswith(HOME) for frame in inspect.stack())


class CountingBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Records the depth of the stack when it is read."""

    def __init__(self) -> None:
        self.depths: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        self.depths.append(depth())
        yield json.dumps(envelope(BALANCE)).encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class Counting(httpx.MockTransport):
    """Records the depth of the stack when a request is sent."""

    def __init__(self) -> None:
        self.depths: list[int] = []
        super().__init__(self._answer)

    def _answer(self, _request: httpx.Request) -> httpx.Response:
        self.depths.append(depth())
        return httpx.Response(200, json=envelope(BALANCE))


SYNC: list[Callable[[Triverse], object]] = [
    lambda client: client.users.balance(),
    lambda client: client.send(triverse.api.users.balance()),
    lambda client: client.request("GET", "/users/balance"),
]


@pytest.mark.parametrize("call", SYNC)
def test_a_call_is_at_most_six_frames_deep(call: Callable[[Triverse], object]) -> None:
    transport = Counting()
    with httpx.Client(transport=transport) as own, Triverse(KEY, http_client=own) as client:
        call(client)
    assert len(transport.depths) == 1
    assert transport.depths[0] <= MAX_DEPTH


@pytest.mark.parametrize("call", SYNC)
def test_the_body_is_read_one_frame_deeper_at_most(call: Callable[[Triverse], object]) -> None:
    body = CountingBody()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    with httpx.Client(transport=transport) as own, Triverse(KEY, http_client=own) as client:
        call(client)
    assert max(body.depths) <= MAX_DEPTH + 1


@pytest.mark.anyio
async def test_an_async_call_is_at_most_six_frames_deep() -> None:
    transport = Counting()
    async with httpx.AsyncClient(transport=transport) as own, AsyncTriverse(KEY, http_client=own) as client:
        await client.users.balance()
        await client.request("GET", "/users/balance")
    assert len(transport.depths) == 2
    assert max(transport.depths) <= MAX_DEPTH


@pytest.mark.anyio
async def test_the_body_of_an_async_call_is_read_at_the_same_depth() -> None:
    body = CountingBody()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    async with httpx.AsyncClient(transport=transport) as own, AsyncTriverse(KEY, http_client=own) as client:
        await client.users.balance()
        await client.request("GET", "/users/balance")
    assert len(body.depths) == 2
    assert max(body.depths) <= MAX_DEPTH
