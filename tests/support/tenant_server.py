"""A fast server in its own process, which checks that each request carries the key of its tenant."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from support.subprocesses import beside

__all__ = ["Counts", "TenantServer", "key_of", "tenant_server"]

_REQUEST = re.compile(rb"GET /api/v1/tenants/(\d+) HTTP/1\.1\r\n(?s:.*?)Authorization: Bearer tv-tenant-(\d+)\r\n")


def key_of(tenant: int) -> str:
    return f"tv-tenant-{tenant:05}"


@dataclass
class Counts:
    """The counts of the server: all requests, and those with the key of another tenant."""

    requests: int = 0
    crossed: int = 0


class Counter(asyncio.Protocol):
    """Answers each request with the number of the tenant whose key it carries."""

    def __init__(self, tally: Counts) -> None:
        self._tally = tally
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for head in heads:
            self._transport.write(self._answer(head + b"\r\n"))

    def _answer(self, head: bytes) -> bytes:
        found = _REQUEST.match(head)
        assert found is not None, head
        wanted, owner = map(int, found.groups())
        self._tally.requests += 1
        self._tally.crossed += wanted != owner
        body = b'{"code": 0, "message": "success", "data": %d}' % owner
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _serve(pipe: Connection) -> None:
    tally, loop = Counts(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Counter(tally), "127.0.0.1", 0)
    async with server:
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1")
        while await loop.run_in_executor(None, pipe.recv):
            pipe.send(tally)


def _main(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


@dataclass(frozen=True)
class TenantServer:
    """The server, as seen from the other process."""

    url: str
    _pipe: Connection

    def tally(self) -> Counts:
        self._pipe.send(True)  # noqa: FBT003 - ask for the counts
        tally = self._pipe.recv()
        assert isinstance(tally, Counts)
        return tally


@contextmanager
def tenant_server() -> Generator[TenantServer]:
    with beside(_main) as pipe:
        yield TenantServer(pipe.recv(), pipe)
        pipe.send(False)  # noqa: FBT003 - end the server
