"""Responses that are read in parts, by threads and by tasks, on our connections and with a user's client."""

# Parameters of tests are booleans, and blocks contain the open stream:
# ruff: noqa: FBT001, FBT003, PT012

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import httpx
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, run_async
from support.server import Peer, Script, Server, answer, serving

from triverse import ConfigurationError, Request
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.secret import Secret
from triverse.transport.async_reply_stream import AsyncReplyStream
from triverse.transport.asynchronous import AsyncTransport
from triverse.transport.cancel import AbortedError, CancelToken
from triverse.transport.clock import monotonic
from triverse.transport.reply_stream import ReplyStream
from triverse.transport.sync import Transport

T = TypeVar("T")

BODY = bytes(range(256)) * 1000
FILE = Request("GET", "/file", object)

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
with_users_client = pytest.mark.parametrize("users", [False, True], ids=["our connections", "the user's client"])


class AnyStream:
    """A sync or async stream with the same async methods."""

    def __init__(self, stream: ReplyStream | AsyncReplyStream | AttemptFailed) -> None:
        self.stream = stream

    @property
    def reply(self) -> Reply:
        assert not isinstance(self.stream, AttemptFailed)
        return self.stream.reply

    async def read(self) -> bytes | AttemptFailed:
        assert not isinstance(self.stream, AttemptFailed)
        if isinstance(self.stream, ReplyStream):
            return self.stream.read()
        return await self.stream.read()

    async def read_all(self) -> list[bytes]:
        parts = list[bytes]()
        while part := await self.read():
            assert isinstance(part, bytes), part
            parts.append(part)
        return parts


class AnyTransport:
    """A sync or async transport with the same async methods. Those of the sync one never wait."""

    def __init__(self, mode: Mode, url: str, client: httpx.Client | httpx.AsyncClient | None) -> None:
        base_url = httpx.URL(url)
        self.sync = (
            Transport(base_url, 1, client) if not isinstance(client, httpx.AsyncClient) and mode == "sync" else None
        )
        self.asynchronous = (
            AsyncTransport(base_url, 1, client) if not isinstance(client, httpx.Client) and mode != "sync" else None
        )

    @asynccontextmanager
    async def open(self, request: Request[object] = FILE, deadline: float | None = None) -> AsyncGenerator[AnyStream]:
        attempt = Attempt(request, deadline=None if deadline is None else monotonic() + deadline)
        if self.sync is not None:
            with self.sync.open(attempt, Secret(KEY)) as stream:
                yield AnyStream(stream)
        else:
            assert self.asynchronous is not None
            async with self.asynchronous.open(attempt, Secret(KEY)) as async_stream:
                yield AnyStream(async_stream)

    async def attempt(self, deadline: float | None = None) -> Outcome:
        attempt = Attempt(FILE, deadline=None if deadline is None else monotonic() + deadline)
        if self.sync is not None:
            return self.sync.attempt(attempt, Secret(KEY))
        assert self.asynchronous is not None
        return await self.asynchronous.attempt(attempt, Secret(KEY))

    async def close(self) -> None:
        if self.sync is not None:
            self.sync.close()
        elif self.asynchronous is not None:
            await self.asynchronous.close()


def use(
    mode: Mode,
    users: bool,
    url: str,
    act: Callable[[AnyTransport], Awaitable[T]],
    **options: object,
) -> T:
    """Run `act` with a transport of this mode."""

    async def main() -> T:
        client: httpx.AsyncClient | None = httpx.AsyncClient(**options) if users else None  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the tests pass the right types
        transport = AnyTransport(mode, url, client)
        try:
            return await act(transport)
        finally:
            await transport.close()
            if client is not None:
                await client.aclose()

    if mode != "sync":
        return run_async(mode, main)
    own = httpx.Client(**options) if users else None  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the tests pass the right types
    transport = AnyTransport(mode, url, own)
    coroutine = act(transport)
    try:
        coroutine.__await__().send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        if transport.sync is not None:
            transport.sync.close()
        if own is not None:
            own.close()
    raise AssertionError


@each_mode
@with_users_client
def test_the_body_comes_in_parts(mode: Mode, users: bool) -> None:
    async def read(transport: AnyTransport) -> tuple[Reply, list[bytes], bytes | AttemptFailed]:
        async with transport.open() as stream:
            return stream.reply, await stream.read_all(), await stream.read()

    with serving(lambda _: answer(BODY, headers={"X-Name": "model.glb"})) as server:
        reply, parts, after = use(mode, users, server.url, read)
    assert (reply.status, reply.headers["x-name"], reply.body) == (200, "model.glb", b"")
    assert reply.url == f"{server.url}/file"
    assert b"".join(parts) == BODY
    assert all(parts)
    assert after == b""


@each_mode
@with_users_client
def test_a_connection_is_kept_after_a_body_that_was_read_and_closed_otherwise(mode: Mode, users: bool) -> None:
    async def read(transport: AnyTransport) -> list[int]:
        connections = list[int]()
        for whole in (True, True, False, True):
            async with transport.open() as stream:
                await (stream.read_all() if whole else stream.read())
            connections.append(server.requests[-1].connection)
        return connections

    with serving(lambda _: answer(BODY * 20)) as server:
        assert use(mode, users, server.url, read) == [1, 1, 1, 2]
        assert server.settled()


@each_mode
@with_users_client
def test_a_stream_holds_a_permit_until_the_block_is_left(mode: Mode, users: bool) -> None:
    async def read(transport: AnyTransport) -> tuple[Outcome, object, Outcome]:
        async with transport.open():
            refused = await transport.attempt(deadline=0.05)
            async with transport.open(deadline=0.05) as second:
                pass
        return refused, second.stream, await transport.attempt()

    with serving(lambda _: answer(BODY)) as server:
        refused, second, after = use(mode, users, server.url, read)
    assert isinstance(refused, AttemptFailed)
    assert isinstance(second, AttemptFailed)
    assert refused.failure is second.failure is FailureKind.CONNECT_TIMEOUT
    assert isinstance(after, Reply)


def breaks_off(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"a" * 100)


def trickles(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    peer.trickle(b"a" * 1000)


@each_mode
@with_users_client
@pytest.mark.parametrize(("script", "kind"), [(breaks_off, FailureKind.BROKEN), (trickles, FailureKind.TIMEOUT)])
def test_a_body_that_breaks_off_or_takes_too_long_is_a_failure(
    mode: Mode,
    users: bool,
    script: Script,
    kind: FailureKind,
) -> None:
    async def read(transport: AnyTransport) -> bytes | AttemptFailed:
        async with transport.open(deadline=0.4) as stream:
            while isinstance(part := await stream.read(), bytes):
                assert part
            return part

    with Server(script) as server:
        part = use(mode, users, server.url, read)
        assert isinstance(part, AttemptFailed)
        assert (part.failure, part.url) == (kind, f"{server.url}/file")
        assert server.settled()


@each_mode
@with_users_client
def test_a_refused_connection_is_a_failure(mode: Mode, users: bool) -> None:
    async def read(transport: AnyTransport) -> object:
        async with transport.open() as stream:
            return stream.stream

    failure = use(mode, users, "http://127.0.0.1:9/", read)
    assert isinstance(failure, AttemptFailed)
    assert failure.failure is FailureKind.NOT_SENT


@each_mode
@with_users_client
def test_a_request_that_cannot_be_sent_is_a_configuration_error(mode: Mode, users: bool) -> None:
    async def read(transport: AnyTransport) -> None:
        with pytest.raises(ConfigurationError):
            async with transport.open(Request("POST", "/x", object, json=float("nan"))):
                pass

    use(mode, users, "http://127.0.0.1:9/", read)


@each_mode
@with_users_client
def test_extra_headers_replace_the_fixed_ones(mode: Mode, users: bool) -> None:
    async def read(transport: AnyTransport) -> None:
        headers = (("Accept-Encoding", "identity"), ("range", "bytes=5-"))
        async with transport.open(Request("GET", "/file", object, headers=headers)) as stream:
            await stream.read_all()

    with serving(lambda _: answer(BODY)) as server:
        use(mode, users, server.url, read)
    (received,) = server.requests
    assert received.header("Accept-Encoding") == "identity"
    assert received.header("Range") == "bytes=5-"
    assert received.header("Accept") == "application/json"


@each_mode
def test_a_request_to_another_url_carries_nothing_of_a_users_client(mode: Mode) -> None:
    async def read(transport: AnyTransport) -> None:
        url = f"{storage.origin}/model.glb?signature=secret"
        async with transport.open(Request("GET", "/file", object, url=url)) as stream:
            assert stream.reply.url == f"{storage.origin}/model.glb"
            await stream.read_all()

    with serving() as server, serving(lambda _: answer(BODY)) as storage:
        options = {"headers": {"X-Mine": "yes"}, "cookies": {"a": "b"}, "auth": ("user", "word")}
        use(mode, True, server.url, read, **options)
    (received,) = storage.requests
    assert received.target == "/model.glb?signature=secret"
    assert [received.header(name) for name in ("Authorization", "Cookie", "X-Mine")] == ["", "", ""]


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, *chunks: object) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks  # type: ignore[misc]  # pyright: ignore[reportReturnType]  # on purpose

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk  # type: ignore[misc]  # pyright: ignore[reportReturnType]  # on purpose


@each_mode
def test_chunks_of_a_users_transport_are_checked(mode: Mode) -> None:
    async def read(transport: AnyTransport) -> tuple[bytes, AttemptFailed]:
        received = b""
        async with transport.open() as stream:
            while isinstance(part := await stream.read(), bytes):
                assert part
                received += part
            return received, part

    handler = httpx.MockTransport(lambda _: httpx.Response(200, stream=Chunks(b"", BODY, b"x", "text")))
    received, failure = use(mode, True, "http://127.0.0.1:9/", read, transport=handler)
    assert received == BODY + b"x"
    assert failure.failure is FailureKind.HOOK
    assert "str in place of bytes" in str(failure.cause)


@each_mode
def test_a_response_that_a_hook_has_read_is_given_from_memory(mode: Mode) -> None:
    async def read(transport: AnyTransport) -> bytes:
        async with transport.open() as stream:
            return b"".join(await stream.read_all())

    def read_first(response: httpx.Response) -> None:
        response.read()

    async def read_first_async(response: httpx.Response) -> None:
        await response.aread()

    hooks = {"response": [read_first if mode == "sync" else read_first_async]}
    with serving(lambda _: answer(b"{}")) as server:
        assert use(mode, True, server.url, read, event_hooks=hooks) == b"{}"


@each_mode
def test_a_response_that_a_hook_made_an_error_of_is_still_the_response(mode: Mode) -> None:
    async def read(transport: AnyTransport) -> tuple[int, bytes]:
        async with transport.open() as stream:
            return stream.reply.status, b"".join(await stream.read_all())

    def refuse(response: httpx.Response) -> None:
        response.read()
        response.raise_for_status()

    async def refuse_async(response: httpx.Response) -> None:
        await response.aread()
        response.raise_for_status()

    hooks = {"response": [refuse if mode == "sync" else refuse_async]}
    with serving(lambda _: answer(b'{"code": 2010}', 403)) as server:
        assert use(mode, True, server.url, read, event_hooks=hooks) == (403, b'{"code": 2010}')


@with_users_client
def test_a_cancel_token_ends_a_read(users: bool) -> None:
    cancel = CancelToken()
    with Server(trickles) as server, httpx.Client() as own:
        transport = Transport(httpx.URL(server.url), 1, own if users else None)

        def cancel_soon() -> None:
            server.heard()
            time.sleep(0.1)
            cancel.cancel()

        thread = threading.Thread(target=cancel_soon)
        thread.start()
        with (
            pytest.raises(AbortedError),
            transport.open(Attempt(FILE), Secret(KEY), cancel) as stream,
        ):
            assert isinstance(stream, ReplyStream)
            while isinstance(stream.read(), bytes):
                pass
        thread.join()
        assert isinstance(transport.attempt(Attempt(FILE, deadline=monotonic() + 0.1), Secret(KEY)), AttemptFailed)


@pytest.mark.anyio
async def test_a_read_that_is_cancelled_leaves_no_connection_and_no_permit() -> None:
    with Server(trickles) as server:
        transport = AsyncTransport(httpx.URL(server.url), 1, None)
        for _ in range(2):
            with anyio.move_on_after(0.2):
                async with transport.open(Attempt(FILE), Secret(KEY)) as stream:
                    assert isinstance(stream, AsyncReplyStream)
                    while isinstance(await stream.read(), bytes):
                        pass
        await transport.close()
        assert await anyio.to_thread.run_sync(server.settled)
    assert len(server.requests) == 2


class InterruptedStream(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt


def test_an_interrupted_read_propagates_and_leaves_the_permit() -> None:
    handler = httpx.MockTransport(lambda _: httpx.Response(200, stream=InterruptedStream()))
    with httpx.Client(transport=handler) as own:
        transport = Transport(httpx.URL("http://127.0.0.1:9"), 1, own)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt), transport.open(Attempt(FILE), Secret(KEY)) as stream:
                assert isinstance(stream, ReplyStream)
                while stream.read():
                    pass
