"""More concurrent calls than connections: the rest wait, and all succeed."""

from __future__ import annotations

import threading

import anyio
import pytest
from support.clients import KEY, UVLOOP
from support.server import serving

from triverse import AsyncTriverse, Triverse

CALLS = 1500


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio", pytest.param(UVLOOP, id="uvloop")])
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
        assert len(server.requests) == CALLS
        assert server.most_open <= 100
        assert server.settled()


def test_1500_threads_on_one_default_client_all_succeed() -> None:
    totals: list[float] = []
    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        threads = [threading.Thread(target=lambda: totals.append(client.users.balance().total)) for _ in range(CALLS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert totals == [125.0] * CALLS
    assert len(server.requests) == CALLS
    assert server.most_open <= 100
