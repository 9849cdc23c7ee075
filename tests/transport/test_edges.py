"""What happens seldom on the wire, made to happen: races, spurious wake-ups, hosts without an address."""

# These moments cannot be brought about from outside.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextvars import Context

import httpcore
import httpx
import pytest

import triverse
from triverse import AsyncTriverse, ConnectionFailedError, InvalidResponseError, Triverse
from triverse.transport import asyncio_backend, one_connection
from triverse.transport.async_semaphore import AsyncGate, FutureTurn
from triverse.transport.asyncio_backend import AsyncioBackend, PlainStream
from triverse.transport.event_loops import running_loop
from triverse.transport.pool import FreeList
from triverse.transport.proxies import proxy_for
from triverse.transport.tls_stream import TLSStream

KEY = "tv-test-0123456789"


def test_the_package_finds_its_api_also_before_anyone_has_imported_it() -> None:
    assert vars(triverse)["__getattr__"]("api") is triverse.api


def test_a_host_without_an_address_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_address(*_args: object, **_options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    with (
        Triverse(KEY, base_url="https://nowhere.example", max_retries=0) as client,
        pytest.raises(ConnectionFailedError, match="Name or service not known"),
    ):
        client.users.balance()


class EndlessStream(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1024 * 1024


@pytest.mark.anyio
async def test_a_stream_that_goes_on_after_it_is_closed_is_read_to_its_end() -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=EndlessStream()))
    async with httpx.AsyncClient(transport=transport) as own:
        client = AsyncTriverse(KEY, base_url="http://127.0.0.1", http_client=own)
        with pytest.raises(InvalidResponseError, match="larger than 8 MiB"):
            await client.users.balance()


class Snatched(deque[tuple[str, float]]):
    """What is put in here is taken by another thread at once."""

    def append(self, _item: tuple[str, float], /) -> None:
        return


def test_an_idle_connection_that_another_thread_takes_at_once_is_not_missed() -> None:
    free: FreeList[str] = FreeList()
    free._idle = Snatched()
    assert free.put("a connection") is None


def test_a_log_line_outside_of_any_call_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="httpx"):
        Triverse(KEY, base_url="http://127.0.0.1").close()
        Context().run(logging.getLogger("httpx").info, "said by %s", "someone else")
    assert caplog.messages == ["said by someone else"]


def test_the_running_loop_is_told_where_trio_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here() -> bool:
        return running_loop() is asyncio.get_running_loop()

    monkeypatch.delitem(sys.modules, "trio", raising=False)
    assert asyncio.run(here())


@pytest.mark.parametrize(
    ("exempt", "used"),
    [
        ("", True),
        ("*", False),
        ("host.example", False),
        ("example", False),
        (".example", False),
        (".host.example", True),
        ("other.example", True),
        ("http://host.example", False),
        ("https://host.example", True),
        ("all://host.example", False),
        ("host.example:80", False),
        ("host.example:81", True),
        ("127.0.0.1, [::1], localhost", True),
    ],
)
def test_no_proxy_says_for_whom_the_proxy_is_not(exempt: str, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a column of the table
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert proxy_for("http", "host.example", 80) == ("http://proxy.example:3128" if used else None)


def test_without_a_setting_there_is_no_proxy() -> None:
    assert proxy_for("http", "host.example", 80) is None


# --- The gate, at the very moment


def test_a_turn_that_comes_with_the_cancellation_is_passed_on() -> None:
    async def story() -> bool:
        gate = AsyncGate(1)
        assert await gate.enter(None)
        waiting = asyncio.create_task(gate.enter(None))
        await asyncio.sleep(0)
        gate.leave()
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled() and await gate.enter(0)

    assert asyncio.run(story())


def test_a_waiter_whose_time_is_over_is_passed_over() -> None:
    async def story() -> tuple[bool, bool]:
        gate = AsyncGate(1)
        assert await gate.enter(None)
        waiting = asyncio.create_task(gate.enter(60))
        await asyncio.sleep(0)
        turn = gate._waiting[0]
        assert isinstance(turn, FutureTurn)
        turn._end()  # as its timer does
        gate.leave()
        return await waiting, await gate.enter(0)

    assert asyncio.run(story()) == (False, True)


# --- The sockets of asyncio


def a_stream(sock: socket.socket) -> PlainStream:
    sock.setblocking(False)  # noqa: FBT003 - the socket's own way to say it
    return PlainStream(sock, AsyncioBackend())


def test_a_wake_up_without_bytes_is_waited_out() -> None:
    async def story() -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            stream = a_stream(ours)
            reading = asyncio.create_task(stream.read(10))
            await asyncio.sleep(0)
            stream._on_readable()
            theirs.sendall(b"bytes")
            read = await reading
            await stream.aclose()
            return read

    assert asyncio.run(story()) == b"bytes"


def test_a_write_waits_while_the_socket_takes_no_more() -> None:
    async def story() -> bool:
        ours, theirs = socket.socketpair()
        with theirs:
            stream = a_stream(ours)
            full = 0
            try:
                while True:
                    full += ours.send(b"x" * 65536)
            except BlockingIOError:
                pass
            writing = asyncio.create_task(stream.write(b"the end"))
            await asyncio.sleep(0)
            received = b""
            while not received.endswith(b"the end"):
                received = received[-8:] + await asyncio.to_thread(theirs.recv, 1 << 20)
            await writing
            await stream.aclose()
            return full > 0

    assert asyncio.run(story())


def test_the_connection_that_loses_the_race_at_the_last_moment_is_closed() -> None:
    async def story() -> int:
        ours, theirs = socket.socketpair()

        async def connected() -> socket.socket:
            return ours

        loser = asyncio.create_task(connected())
        await loser
        asyncio_backend._close_loser(loser)
        theirs.close()
        return ours.fileno()

    assert asyncio.run(story()) == -1


def test_a_slow_address_still_wins_where_the_other_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()

    async def connect_to(_family: int, address: tuple[object, ...]) -> socket.socket:
        if address[0] == "slow":
            await asyncio.sleep(0.05)
            return ours
        raise ConnectionRefusedError

    async def story() -> socket.socket:
        async def addresses(*_args: object, **_options: object) -> list[object]:
            return [(0, 0, 0, "", ("slow", 1)), (0, 0, 0, "", ("refused", 1))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
        return await asyncio_backend._connect("host.example", 443)

    monkeypatch.setattr(asyncio_backend, "_connect_to", connect_to)
    monkeypatch.setattr(asyncio_backend, "_HEAD_START", 0.001)
    with ours, theirs:
        assert asyncio.run(story()) is ours


def test_locks_of_other_names_are_left_alone() -> None:
    class OtherConnection(httpcore.AsyncConnectionInterface):
        """Without the locks that are known."""

    one_connection._unlock(OtherConnection())


def test_tls_that_cannot_write_says_so_as_httpcore_does() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        stream = a_stream(ours)
        with theirs:
            tls = TLSStream(stream, ssl.create_default_context(), "host.example")
            try:
                await tls.write(b"before the handshake")
            finally:
                await stream.aclose()

    with pytest.raises(httpcore.WriteError):
        asyncio.run(story())
