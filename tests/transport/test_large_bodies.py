from __future__ import annotations

import random

import pytest
from support.clients import MODES, Mode, drive
from support.file_server import Sent, accepted, serving_files
from support.files import PNG

from triverse import AsyncTriverse, Triverse

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
BODY = random.Random(1).randbytes(40_000)  # noqa: S311 - the same each time


@pytest.mark.parametrize("mode", MODES)
def test_a_connection_is_used_again_after_a_large_body(mode: Mode) -> None:
    large = BODY * 100

    def sync_way(client: Triverse) -> list[bytes]:
        with client.tasks.stream(TASK) as one:
            first = one.read()
        client.uploads.image(PNG)
        with client.tasks.stream(TASK) as other:
            return [first, other.read()]

    async def async_way(client: AsyncTriverse) -> list[bytes]:
        async with client.tasks.stream(TASK) as one:
            first = await one.read()
        await client.uploads.image(PNG)
        async with client.tasks.stream(TASK) as other:
            return [first, await other.read()]

    with serving_files(lambda got: accepted(got) if got.method == "POST" else Sent(body=large)) as server:
        assert drive(mode, sync_way, async_way, base_url=server.url) == [large, large]
        assert server.connections == 1
