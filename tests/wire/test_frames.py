"""How deep a call is: at most three frames of this package between the user's line and httpx."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import httpx
import pytest
from support.clients import KEY
from support.server import BALANCE, envelope

import triverse
from triverse import AsyncTriverse, Triverse

HOME = triverse.__path__[0]


class Counting(httpx.MockTransport):
    """Counts the frames of this package on the stack."""

    def __init__(self) -> None:
        self.depths: list[int] = []
        super().__init__(self._answer)

    def _answer(self, _request: httpx.Request) -> httpx.Response:
        files = [frame.filename for frame in inspect.stack()]
        self.depths.append(sum(file.startswith(HOME) for file in files))
        return httpx.Response(200, json=envelope(BALANCE))


SYNC: list[Callable[[Triverse], object]] = [
    lambda client: client.users.balance(),
    lambda client: client.send(triverse.api.users.balance()),
    lambda client: client.request("GET", "/users/balance"),
]


@pytest.mark.parametrize("call", SYNC)
def test_a_call_is_at_most_three_frames_deep(call: Callable[[Triverse], object]) -> None:
    transport = Counting()
    with httpx.Client(transport=transport) as own, Triverse(KEY, http_client=own) as client:
        call(client)
    assert len(transport.depths) == 1
    assert transport.depths[0] <= 3


@pytest.mark.anyio
async def test_an_async_call_is_at_most_three_frames_deep() -> None:
    transport = Counting()
    async with httpx.AsyncClient(transport=transport) as own, AsyncTriverse(KEY, http_client=own) as client:
        await client.users.balance()
        await client.request("GET", "/users/balance")
    assert len(transport.depths) == 2
    assert max(transport.depths) <= 3
