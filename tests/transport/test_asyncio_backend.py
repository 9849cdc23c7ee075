from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import httpcore
import pytest
import uvloop
from support.clients import KEY, run_async
from support.server import BALANCE, Peer, Server, answer, envelope, serving
from support.tls import authority, server_context, trust

from triverse import AsyncTriverse, ConnectionFailedError, RequestTimeoutError, UserBalance
from triverse.transport import asyncio_backend
from triverse.transport.asyncio_backend import AsyncioBackend, PlainStream, fail_read, supports_add_reader
from triverse.transport.tls_stream import TLSStream


def client_of(server: Server, timeout: float = 5.0) -> AsyncTriverse:
    return AsyncTriverse(KEY, base_url=server.url, timeout=timeout, max_retries=0)


def backend() -> AsyncioBackend:
    return AsyncioBackend()


class Blind(asyncio.BaseEventLoop):
    """A loop without `add_reader()`, like the default one on Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader

    def __del__(self) -> None:
        """Do nothing: the loop opened nothing."""


@pytest.mark.asyncio
async def test_a_loop_without_add_reader_uses_anyio() -> None:
    assert supports_add_reader(asyncio.get_running_loop())
    assert not supports_add_reader(Blind())
    assert not supports_add_reader(object())


def test_the_sockets_of_uvloop_are_watched() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, uvloop.Loop)
        assert supports_add_reader(loop)

    run_async("uvloop", main)


@pytest.mark.asyncio
async def test_the_next_address_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", unused.getsockname()),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port)),
        ]
        _resolve_to(monkeypatch, found)
        async with client_of(server) as client:
            assert (await client.users.balance()).balance == BALANCE["balance"]


@pytest.mark.asyncio
async def test_an_address_that_does_not_respond_does_not_delay_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, socket.socket() as silent, socket.socket() as first, socket.socket() as second:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for filler in (first, second):  # the listener does not respond once its backlog is full
            filler.settimeout(0)
            with suppress(BlockingIOError):
                filler.connect(silent.getsockname())
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", silent.getsockname()),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port)),
        ]
        _resolve_to(monkeypatch, found)
        async with client_of(server) as client:
            assert (await client.users.balance()).balance == BALANCE["balance"]


@pytest.mark.asyncio
async def test_one_of_two_connections_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        _resolve_to(monkeypatch, [address, address])
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def slowly(sock: socket.socket, to: tuple[str, int]) -> None:
            await connect(sock, to)
            await asyncio.sleep(0 if slowed else 0.3)
            slowed.append(sock)

        slowed: list[socket.socket] = []
        monkeypatch.setattr(loop, "sock_connect", slowly)
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        await asyncio.sleep(0.4)
        await stream.aclose()
        assert server.settled()


def _resolve_to(monkeypatch: pytest.MonkeyPatch, found: Sequence[tuple[object, ...]]) -> None:
    async def getaddrinfo(*_: object, **__: object) -> Sequence[tuple[object, ...]]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


@pytest.mark.asyncio
async def test_a_connection_fails_if_all_addresses_refuse_it() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api/v1"
        async with AsyncTriverse(KEY, base_url=url, max_retries=0) as client:
            with pytest.raises(ConnectionFailedError):
                await client.users.balance()


@pytest.mark.asyncio
async def test_a_read_that_takes_too_long_times_out() -> None:
    with Server(lambda peer: peer.pause()) as server:
        async with client_of(server, timeout=0.05) as client:
            with pytest.raises(RequestTimeoutError):
                await client.users.balance()


@pytest.mark.asyncio
async def test_a_connection_that_is_reset_is_a_broken_one() -> None:
    def rude(peer: Peer) -> None:
        peer.request()
        peer.reset()

    with Server(rude) as server:
        async with client_of(server) as client:
            with pytest.raises(ConnectionFailedError):
                await client.users.balance()


@pytest.mark.asyncio
async def test_a_connection_that_ended_while_idle_is_noticed_before_anything_is_sent() -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(answer(envelope(BALANCE)))

    with Server(once) as server:
        async with client_of(server) as client:
            await client.users.balance()
            assert server.settled()
            await asyncio.sleep(0.01)
            await client.users.balance()
        assert server.connections == 2


@pytest.mark.asyncio
async def test_a_large_body_is_written_in_parts() -> None:
    text = "x" * 5_000_000
    with serving(lambda received: answer(envelope(len(received.body)))) as server:
        async with client_of(server) as client:
            assert await client.request("PUT", "/large", json=text, into=int) == len(text) + 2


@pytest.mark.asyncio
async def test_a_write_to_a_peer_that_reads_nothing_times_out() -> None:
    with Server(lambda peer: peer.pause()) as server:
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"x" * 50_000_000, 0.05)
        sock: socket.socket = stream.get_extra_info("socket")
        for _ in range(5):  # until the buffers of both sockets are full
            with suppress(BlockingIOError):
                while sock.send(b"x" * 1_000_000):
                    pass
            await asyncio.sleep(0.02)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"x" * 50_000_000, 0.05)
        await stream.aclose()


@pytest.mark.asyncio
async def test_a_closed_connection_neither_reads_nor_writes() -> None:
    with serving() as server:
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await stream.read(1)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x")
        assert stream.get_extra_info("is_readable")


@pytest.mark.asyncio
async def test_a_stream_gives_details_of_its_socket() -> None:
    with serving() as server:
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        sock = stream.get_extra_info("socket")
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        assert stream.get_extra_info("client_addr") == sock.getsockname()
        assert stream.get_extra_info("ssl_object") is None
        assert not stream.get_extra_info("is_readable")
        await stream.aclose()


@pytest.mark.asyncio
async def test_tls_within_tls_carries_bytes_both_ways() -> None:
    def twice(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = server_context().wrap_bio(incoming, outgoing, server_side=True)
        _inner_handshake(peer, inner, incoming, outgoing)
        inner.write(b"hello")
        inner.write(b"world")
        peer.send(outgoing.read())

    with Server(twice, server_context()) as server:
        outer = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        context = ssl.create_default_context()
        authority().configure_trust(context)  # pyright: ignore[reportUnknownMemberType]  # it also accepts a pyOpenSSL context
        middle = await outer.start_tls(context, "localhost", 5.0)
        stream = await middle.start_tls(context, "localhost", 5.0)
        assert await stream.read(100, 5.0) == b"hello"
        await stream.write(b"")
        assert stream.get_extra_info("ssl_object").version()
        assert await stream.read(100, 5.0) == b"world"
        assert await stream.read(100, 5.0) == b""
        await stream.aclose()


def _inner_handshake(peer: Peer, inner: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
    while True:
        try:
            inner.do_handshake()
        except ssl.SSLWantReadError:
            peer.send(outgoing.read()) if outgoing.pending else None
            incoming.write(peer._sock.recv(65536))  # pyright: ignore[reportPrivateUsage]  # TLS within TLS needs the bytes
        else:
            peer.send(outgoing.read())
            return


@pytest.mark.asyncio
async def test_garbage_in_place_of_tls_breaks_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, tmp_path)

    def garble(peer: Peer) -> None:
        peer.request()
        peer.raw_send(b"\x17\x03\x03\x00\x20" + b"?" * 32)
        peer.pause()

    with Server(garble, server_context()) as server:
        async with client_of(server) as client:
            with pytest.raises(ConnectionFailedError):
                await client.users.balance()


@pytest.mark.asyncio
async def test_a_failed_tls_handshake_closes_the_socket() -> None:
    with Server(lambda peer: peer.send(b"not TLS\r\n\r\n")) as server:
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(ssl.create_default_context(), "localhost", 5.0)
        assert server.settled()


@pytest.mark.asyncio
async def test_a_cancelled_call_leaves_no_connection() -> None:
    def silent(peer: Peer) -> None:
        peer.request()
        peer.pause()

    with Server(silent) as server:
        async with client_of(server) as client:
            task = asyncio.create_task(client.users.balance())
            await asyncio.to_thread(server.heard)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


def test_the_socket_of_a_closed_loop_closes_without_a_warning() -> None:
    with serving() as server:
        for _ in range(3):
            loop = asyncio.new_event_loop()
            client = client_of(server)
            assert isinstance(loop.run_until_complete(client.users.balance()), UserBalance)
            loop.close()
            del client, loop
            gc.collect()
        assert server.settled()


def test_one_client_works_in_one_loop_after_another() -> None:
    with serving() as server:
        client = client_of(server)
        for _ in range(2):
            asyncio.run(client.users.balance())
        assert server.settled()


def test_a_program_that_closes_nothing_ends_without_a_warning() -> None:
    script = (
        "import asyncio, triverse, sys\n"
        "client = triverse.AsyncTriverse('tv-0123456789', base_url=sys.argv[1])\n"
        "loop = asyncio.new_event_loop()\n"
        "async def many(): return await asyncio.gather(*[client.users.balance() for _ in range(5)])\n"
        "loop.run_until_complete(many()); loop.close()\n"
    )
    with serving() as server:
        command = [sys.executable, "-W", "always", "-c", script, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=dict(os.environ))  # noqa: S603 - our own script
    assert done.stderr.count("ResourceWarning") <= 1


def _connect_after(monkeypatch: pytest.MonkeyPatch, *waits: Callable[[], Awaitable[object]]) -> None:
    """Let each new connection wait for one of these before it is returned."""
    loop = asyncio.get_running_loop()
    connect, left = loop.sock_connect, iter(waits)

    async def late(sock: socket.socket, to: tuple[str, int]) -> None:
        wait = next(left)
        await connect(sock, to)
        await wait()

    monkeypatch.setattr(loop, "sock_connect", late)


@pytest.mark.asyncio
async def test_a_second_address_is_used_if_the_first_fails_late(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.3)
        raise OSError

    with serving() as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        _resolve_to(monkeypatch, [address, address])
        _connect_after(monkeypatch, fail, lambda: asyncio.sleep(0.1))
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        await stream.aclose()
        assert server.settled()


@pytest.mark.asyncio
async def test_one_of_two_connections_made_at_the_same_moment_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    both = asyncio.Event()

    async def release() -> None:
        both.set()

    with serving() as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        _resolve_to(monkeypatch, [address, address])
        _connect_after(monkeypatch, both.wait, release)
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        await stream.aclose()
        await asyncio.sleep(0)
        assert server.settled()


@pytest.mark.asyncio
async def test_a_wake_up_without_data_does_not_end_a_read() -> None:
    def late(peer: Peer) -> None:
        peer.pause(0.1)
        peer.send(b"there")

    with Server(late) as server:
        stream = PlainStream(await _connected(server), backend())
        reading = asyncio.ensure_future(stream.read(10, 5.0))
        await asyncio.sleep(0)
        stream._on_readable()  # pyright: ignore[reportPrivateUsage]  # as the loop does
        assert await reading == b"there"
        await stream.aclose()


async def _connected(server: Server) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(0)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    return sock


@pytest.mark.asyncio
async def test_bytes_that_arrive_as_the_time_runs_out_are_kept() -> None:
    arrival: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    arrival.set_result(b"there")
    fail_read(arrival)
    assert await arrival == b"there"


@pytest.mark.asyncio
async def test_nothing_is_written_before_the_tls_handshake() -> None:
    with serving() as server:
        plain = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        with pytest.raises(httpcore.WriteError):
            await TLSStream(plain, ssl.create_default_context(), "localhost").write(b"secret")
        await plain.aclose()


@pytest.mark.asyncio
async def test_a_write_waits_while_the_socket_accepts_no_more() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - the socket's own argument
    with theirs:
        stream = PlainStream(ours, backend())
        with suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)
        writing = asyncio.create_task(stream.write(b"the end"))
        await asyncio.sleep(0)
        received = b""
        while not received.endswith(b"the end"):
            received = received[-8:] + await asyncio.to_thread(theirs.recv, 1 << 20)
        await writing
        await stream.aclose()


@pytest.mark.asyncio
async def test_a_connection_that_succeeds_after_its_cancellation_is_closed() -> None:
    ours, theirs = socket.socketpair()

    async def connected() -> socket.socket:
        return ours

    late = asyncio.create_task(connected())
    await late
    with theirs:
        asyncio_backend._close_late_socket(late)  # pyright: ignore[reportPrivateUsage]  # a test cannot cause this race
    assert ours.fileno() == -1


@pytest.mark.asyncio
async def test_a_slow_address_is_used_if_the_other_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse() -> None:
        raise ConnectionRefusedError

    with serving() as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        _resolve_to(monkeypatch, [address, address])
        _connect_after(monkeypatch, lambda: asyncio.sleep(0.05), refuse)
        monkeypatch.setattr(asyncio_backend, "_HAPPY_EYEBALLS_DELAY", 0.001)
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        await stream.aclose()


@pytest.mark.asyncio
async def test_a_read_after_the_deadline_fails_even_if_there_is_something_to_read() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"late")
        late = backend()
        late.deadline = 0.0
        stream = PlainStream(ours, late)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(4)
        await stream.aclose()
    late.release()


@pytest.mark.asyncio
async def test_a_tls_handshake_that_takes_too_long_times_out() -> None:
    with Server(lambda peer: peer.pause()) as server:
        stream = await backend().connect_tcp("127.0.0.1", server.port, 5.0)
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(ssl.create_default_context(), "localhost", 0.05)
        assert server.settled()
