from __future__ import annotations

import asyncio
import random
import socket
import struct

import httpcore
import pytest
from support.clients import MODES, Mode, drive
from support.file_server import Sent, accepted, serving_files
from support.files import PNG

from triverse import AsyncTriverse, Triverse
from triverse.transport.asyncio_backend import AsyncioBackend, PlainStream

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
BODY = random.Random(1).randbytes(40_000)  # noqa: S311 - seeded, to be reproducible


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


def download_over(sock: socket.socket) -> PlainStream:
    """Return the stream of a download over a socket."""
    sock.setblocking(False)  # noqa: FBT003 - the name of the function explains it
    backend = AsyncioBackend()
    backend.read_size = 4
    return PlainStream(sock, backend)


@pytest.mark.asyncio
async def test_other_tasks_run_during_a_download_that_never_waits() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        stream = download_over(ours)
        theirs.sendall(b"some" * 100)
        turns: list[str] = []
        asyncio.get_running_loop().call_soon(turns.append, "another task")
        reads = 0
        while not turns:
            assert await stream.read(1) == b"some"
            reads += 1
        assert 1 < reads < 100
        assert await stream.read(1) == b"some"
        await stream.aclose()


@pytest.mark.asyncio
async def test_a_reset_of_a_download_is_a_broken_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = download_over(socket.create_connection(listener.getsockname()))
        theirs, _ = listener.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        with pytest.raises(httpcore.ReadError):
            await stream.read(1)
        await stream.aclose()
