"""One attempt: the request that is sent, and large, slow and interrupted responses."""

# These tests need private names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import cast

import anyio
import httpcore
import httpx
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import BALANCE, Peer, Received, Server, answer, envelope, serving
from support.tls import trust

from triverse import (
    AsyncTriverse,
    ConfigurationError,
    DeadlineExceededError,
    InvalidResponseError,
    Request,
    Triverse,
    TriverseError,
)
from triverse.core.attempt import Attempt, AttemptFailed, Reply
from triverse.core.secret import Secret
from triverse.transport.anyio_backend import AnyioBackend
from triverse.transport.async_pool import AsyncConnectionPool
from triverse.transport.environment import ProxyTable, tls_context
from triverse.transport.pool import ConnectionPool, PooledStream
from triverse.transport.semaphore import FairSemaphore, Permit
from triverse.transport.sync import Transport
from triverse.transport.sync_backend import DeadlineBackend

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)


class Body:
    """A streamed body."""

    content_type = "text/plain"
    content_length = 300_000

    def __init__(self) -> None:
        self.sent: list[int] = []

    def chunks(self) -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    def progress(self, sent: int) -> Awaitable[None] | None:
        self.sent.append(sent)
        return None


@each_mode
@pytest.mark.parametrize("users", [False, True])
def test_a_streamed_body_is_sent_with_its_length_and_type(mode: Mode, users: bool) -> None:  # noqa: FBT001 - a parameter
    body = Body()
    request = Request("POST", "/uploads", int, params={"kind": "image", "none": None}, body=body)
    with serving(lambda received: answer(envelope(len(received.body)))) as server:
        if users:
            assert upload_with_a_users_client(mode, server.url, request) == 300_000
        else:
            assert (
                drive(mode, lambda c: c.execute(request), lambda c: c.execute(request), base_url=server.url) == 300_000
            )
    (received,) = server.requests
    assert received.target == "/api/v1/uploads?kind=image"
    assert (received.header("Content-Type"), received.header("Content-Length")) == ("text/plain", "300000")
    assert received.header("Transfer-Encoding") == ""
    assert body.sent[-1] == 300_000


def upload_with_a_users_client(mode: Mode, url: str, request: Request[int]) -> int:
    if mode == "sync":
        with httpx.Client() as own:
            return Triverse(KEY, base_url=url, http_client=own).execute(request)

    async def upload() -> int:
        async with httpx.AsyncClient() as own:
            return await AsyncTriverse(KEY, base_url=url, http_client=own).execute(request)

    return anyio.run(upload, backend="trio" if mode == "trio" else "asyncio")


def endless(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        peer.send(b" " * 65536)


@each_mode
def test_an_endless_response_is_read_up_to_a_limit(mode: Mode) -> None:
    with Server(endless) as server:
        with pytest.raises(InvalidResponseError, match="larger than 8 MiB"):
            drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
        assert server.settled()


class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that goes on even after it was closed."""

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(20):
            time.sleep(0.02)
            yield b" " * 1024 * 1024

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


@pytest.mark.parametrize(("deadline", "kind"), [(0.05, DeadlineExceededError), (None, InvalidResponseError)])
@pytest.mark.anyio
async def test_a_stream_of_a_users_transport_that_never_waits_is_limited_too(
    deadline: float | None, kind: type[TriverseError]
) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=Endless()))
    with httpx.Client(transport=transport) as own, pytest.raises(kind):
        Triverse(KEY, http_client=own, deadline=deadline, max_retries=0).users.balance()
    async with httpx.AsyncClient(transport=transport) as its_own:
        with pytest.raises(kind):
            await AsyncTriverse(KEY, http_client=its_own, deadline=deadline, max_retries=0).users.balance()


@pytest.mark.anyio
async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with serving() as server:
        transport = Transport(httpx.URL(server.url), 1, None)
        outcome = transport.attempt(Attempt(Request("GET", "/x", object), deadline=0.0), Secret(KEY))
        assert isinstance(outcome, AttemptFailed)
        with transport.open(Attempt(Request("GET", "/x", object), deadline=0.0), Secret(KEY)) as stream:
            assert isinstance(stream, AttemptFailed)
        assert server.requests == []


class Interrupted(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"{"
        raise KeyboardInterrupt


def test_an_interrupt_propagates_without_the_key_and_leaves_the_permit() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Interrupted()))
    with httpx.Client(transport=transport) as own, Triverse(KEY, http_client=own, max_connections=1) as client:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                client.users.balance()


def test_an_interrupt_while_a_streams_permit_is_released_leaves_the_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    release = FairSemaphore.release

    def interrupted_once(_semaphore: FairSemaphore, _permit: Permit) -> None:
        monkeypatch.setattr(FairSemaphore, "release", release)
        raise KeyboardInterrupt

    with serving() as server:
        transport = Transport(httpx.URL(server.url), 1, None)
        attempt = Attempt(Request("GET", "/users/me", object))
        monkeypatch.setattr(FairSemaphore, "release", interrupted_once)
        with pytest.raises(KeyboardInterrupt), transport.open(attempt, Secret(KEY)):
            pass
        assert isinstance(transport.attempt(attempt, Secret(KEY)), Reply)
        transport.close()


def test_an_error_of_the_backend_keeps_no_response_alive() -> None:
    """Frames of the traceback would keep the body alive."""

    def broken(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 1_000_000)

    with Server(broken) as server, Triverse(KEY, base_url=server.url, max_retries=0) as client:
        with pytest.raises(TriverseError) as caught:
            client.users.balance()
        errors: list[BaseException | None] = [caught.value.__cause__]
        while errors[-1] is not None:
            assert errors[-1].__traceback__ is None
            errors.append(errors[-1].__cause__ or errors[-1].__context__)
        gc.collect()
        lists = [cast("list[object]", thing) for thing in gc.get_objects() if type(thing) is list]
        assert not [chunks for chunks in lists if any(isinstance(c, bytes) and c == b"a" * 65536 for c in chunks)]


def test_closing_a_response_twice_gives_the_connection_back_once() -> None:
    with serving() as server:
        pool = ConnectionPool(ProxyTable(httpx.URL(server.url)))
        response = pool.handle_request(httpx.Request("GET", f"{server.url}/users/me"))
        for _ in response.iter_raw():
            pass
        response.stream.close()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a sync one
        response.stream.close()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a sync one
        (idle,) = pool._idle.values()
        assert len(idle._idle) == 1
        pool.close()


def test_a_connection_whose_response_was_interrupted_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with serving() as server:
        pool = ConnectionPool(ProxyTable(httpx.URL(server.url)))
        response = pool.handle_request(httpx.Request("GET", f"{server.url}/users/me"))
        stream = cast("PooledStream", response.stream)
        monkeypatch.setattr(stream._stream, "close", interrupted)  # where httpcore is interrupted
        with pytest.raises(KeyboardInterrupt):
            stream.close()
        assert not any(idle._idle for idle in pool._idle.values())
        assert server.settled()


@pytest.mark.anyio
async def test_closing_an_async_response_twice_gives_the_connection_back_once() -> None:
    with serving() as server:
        pool = AsyncConnectionPool(ProxyTable(httpx.URL(server.url)))
        response = await pool.handle_async_request(httpx.Request("GET", f"{server.url}/users/me"))
        async for _ in response.aiter_raw():
            pass
        await response.stream.aclose()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # an async one
        await response.stream.aclose()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # an async one
        (idle,) = pool._idle.values()
        assert len(idle._idle) == 1
        await pool.aclose()


def test_the_sockets_of_trio_can_be_closed_without_their_loop() -> None:
    async def main() -> None:
        AnyioBackend().release()
        backend = AnyioBackend()
        stream = await backend.connect_tcp("127.0.0.1", server.port, 5.0)
        assert stream.get_extra_info("is_readable") is False
        backend.release()
        backend.release()
        assert stream.get_extra_info("is_readable") is True
        assert server.settled()
        await stream.aclose()

    with serving() as server:
        anyio.run(main, backend="trio")


def test_an_operation_after_the_deadline_fails() -> None:
    backend = DeadlineBackend()
    backend.deadline = 0.0
    with pytest.raises(httpcore.ReadTimeout, match="deadline"):
        backend.limit(5.0, httpcore.ReadTimeout)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_cannot_be_read_are_a_configuration_error(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trust(monkeypatch, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match=f"correct .*{name}"):
        tls_context("https")


def held(received: Received) -> bytes:
    time.sleep(0.05)
    return answer(envelope({**BALANCE, "balance": float(len(received.path))}))


def test_a_loop_that_was_closed_while_another_runs_is_found_later() -> None:
    with serving(held) as server:
        client = AsyncTriverse(KEY, base_url=server.url)
        loops = [asyncio.new_event_loop() for _ in range(3)]
        for loop in loops:
            loop.run_until_complete(client.users.balance())
        for loop in loops[:2]:
            loop.close()
        loops[2].run_until_complete(client.users.balance())
        assert server.settled(still_open=1)
        loops[2].run_until_complete(client.aclose())
        loops[2].close()
        assert server.settled()
