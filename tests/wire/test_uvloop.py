"""uvloop, on which many web applications run, drives the same sockets as asyncio's own loop."""

from __future__ import annotations

import anyio
import pytest
import uvloop
from support.clients import KEY, UVLOOP
from support.server import Peer, Server, answer, envelope, serving

from triverse import AsyncTriverse
from triverse.wire.asyncio_backend import watches_sockets
from triverse.wire.loops import running_loop

CALLS = 1500


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return UVLOOP


@pytest.mark.anyio
async def test_its_sockets_are_watched() -> None:
    assert isinstance(running_loop(), uvloop.Loop)
    assert watches_sockets(running_loop())


@pytest.mark.anyio
async def test_1500_tasks_on_one_default_client_all_succeed() -> None:
    totals: list[float] = []

    async def call(client: AsyncTriverse) -> None:
        totals.append((await client.users.balance()).total)

    with serving() as server:
        async with AsyncTriverse(KEY, base_url=server.url) as client, anyio.create_task_group() as group:
            for _ in range(CALLS):
                group.start_soon(call, client)
        assert totals == [125.0] * CALLS
        assert server.most_open <= 100
        assert server.settled()


@pytest.mark.anyio
async def test_a_cancelled_call_closes_its_connection_and_gives_its_turn_on() -> None:
    def silent_once(peer: Peer) -> None:
        peer.request()
        if peer.number == 1:
            peer.pause()
        else:
            peer.send(answer(envelope({"balance": 1.0, "frozen": 0.0})))

    with Server(silent_once) as server:
        async with AsyncTriverse(KEY, base_url=server.url, max_connections=1) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.users.balance)
                assert await anyio.to_thread.run_sync(server.heard)
                group.cancel_scope.cancel()
            assert (await client.users.balance()).total == 1.0
        assert server.settled()


@pytest.mark.anyio
async def test_a_server_that_ends_idle_connections_is_not_noticed() -> None:
    def one_answer(peer: Peer) -> None:
        peer.request()
        peer.send(answer(envelope({"balance": 1.0, "frozen": 0.0})))

    with Server(one_answer) as server:
        async with AsyncTriverse(KEY, base_url=server.url, max_retries=0) as client:
            for _ in range(5):
                assert (await client.users.balance()).total == 1.0
                assert await anyio.to_thread.run_sync(server.settled)
    assert server.connections == 5
