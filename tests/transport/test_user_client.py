"""The deadline and the cancellation of calls that are made with the user's `httpx.Client` or `httpx.AsyncClient`."""

from __future__ import annotations

import _thread
import asyncio
import gc
import os
import socket
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version

import anyio
import httpcore
import httpx
import httpx2
import pytest
from support.clients import KEY, Mode, run_async
from support.server import BALANCE, Peer, Received, Script, Server, answer, envelope, serving
from support.tls import server_context, trust

from triverse import AsyncTriverse, ConfigurationError, DeadlineExceededError, TransportError, Triverse, api
from triverse.core.attempt import Attempt, AttemptFailed, Reply
from triverse.core.secret import Secret
from triverse.transport.async_reply_stream import AsyncReplyStream
from triverse.transport.asynchronous import AsyncTransport
from triverse.transport.cancel import AbortedError, CancelToken
from triverse.transport.sync import Transport

DEADLINE = 0.4


def trickled_head(peer: Peer) -> None:
    peer.request()
    peer.trickle(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"a" * 1000)


def trickled_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    peer.trickle(b"a" * 1000)


def early_hints(peer: Peer) -> None:
    peer.request()
    for _ in range(1000):
        peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        peer.pause(0.02)


def second_response_trickles(peer: Peer) -> None:
    """Trickle the second response, so that the slow call reuses a connection."""
    peer.request()
    peer.send(answer(envelope(BALANCE)))
    trickled_head(peer)


def seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        call()
    return time.monotonic() - started


@pytest.mark.parametrize("kind", [httpx.Client, httpx2.Client])
@pytest.mark.parametrize("script", [trickled_head, trickled_body, early_hints, second_response_trickles])
def test_a_users_client_keeps_the_deadline_against_a_server_that_trickles(
    kind: type[httpx.Client], script: Script
) -> None:
    with Server(script) as server, kind() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, max_retries=0)
        if script is second_response_trickles:
            client.users.balance()
        assert seconds(client.with_options(deadline=DEADLINE).users.balance) < 5


def test_a_users_client_keeps_the_deadline_over_tls(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path_factory.mktemp("tls"))
    with Server(trickled_head, server_context()) as server, httpx.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, max_retries=0, deadline=DEADLINE)
        assert seconds(client.users.balance) < 5


@pytest.mark.parametrize("own", [None, httpx.Client()])
def test_a_name_lookup_that_takes_too_long_is_given_up(
    own: httpx.Client | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, lookup = threading.Event(), socket.getaddrinfo

    def slow(*args: object, **options: object) -> object:
        ended.wait(10)
        return lookup(*args, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # passed on unchanged

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = Triverse(KEY, base_url="http://localhost:9", http_client=own, max_retries=0, deadline=DEADLINE)
    assert seconds(client.users.balance) < 5
    ended.set()


def watching() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name == "triverse-deadlines"}


def test_a_name_that_only_the_users_client_can_resolve_is_left_to_it() -> None:
    class OwnTransport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = pool.request("GET", str(request.url), extensions=request.extensions)
            return httpx.Response(response.status, content=response.content)

    backend = httpcore.MockBackend([answer(envelope(BALANCE))])
    with httpcore.ConnectionPool(network_backend=backend) as pool, httpx.Client(transport=OwnTransport()) as own:
        client = Triverse(KEY, base_url="https://service.internal.invalid", http_client=own, max_retries=0)
        assert client.users.balance().balance == 100.0


def test_many_calls_with_deadlines_are_watched_by_one_thread() -> None:
    before = watching()
    with Server(trickled_head) as server, httpx.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, max_retries=0)
        with ThreadPoolExecutor(4) as pool:
            later = [
                pool.submit(seconds, client.with_options(deadline=limit).users.balance) for limit in (0.6, 0.4, 0.2)
            ]
            assert all(call.result() < 5 for call in later)
            assert len(watching() - before) == 1


def test_the_watching_thread_ends_when_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triverse.transport.user_client._IDLE_SECONDS", 0.01)
    monkeypatch.setattr("triverse.transport.user_client._REPEAT", 0.01)
    before = watching()
    with serving() as server, httpx.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, deadline=0.5)
        for _ in range(2):
            assert client.users.balance().balance == 100.0
            until = time.monotonic() + 10
            while watching() - before and time.monotonic() < until:
                time.sleep(0.01)
            assert not watching() - before


def test_a_call_is_watched_after_a_time_without_calls() -> None:
    with Server(second_response_trickles) as server, httpx.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, max_retries=0)
        client.with_options(deadline=2.0).users.balance()
        time.sleep(2.1)  # until the deadline of this call has passed
        assert seconds(client.with_options(deadline=DEADLINE).users.balance) < 5


def test_without_any_thread_the_timeouts_of_httpx_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with serving() as server, httpx.Client() as own:
        monkeypatch.setattr(_thread, "start_new_thread", refuse)
        client = Triverse(KEY, base_url=server.url.replace("127.0.0.1", "localhost"), http_client=own)
        assert client.users.balance().balance == 100.0


def test_the_last_thread_watches_where_threading_cannot_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("triverse-"):
            message = "can't start new thread"
            raise RuntimeError(message)
        start(thread)

    with serving() as server, httpx.Client() as own:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        client = Triverse(KEY, base_url=server.url.replace("127.0.0.1", "localhost"), http_client=own)
        assert client.users.balance().balance == 100.0


def test_no_deadline_is_not_watched() -> None:
    with serving() as server, httpx.Client() as own:
        assert Triverse(KEY, base_url=server.url, http_client=own, deadline=None).users.balance().balance == 100.0


def silent(peer: Peer) -> None:
    peer.request()
    peer.pause()


@pytest.mark.parametrize("users", [False, True])
def test_a_cancel_token_ends_the_call_of_another_thread(users: bool) -> None:  # noqa: FBT001 - two cases of one test
    cancel = CancelToken()
    with Server(silent) as server, httpx.Client() as own:
        transport = Transport(httpx.URL(server.url), 1, own if users else None)
        attempt = Attempt(api.users.balance())
        with ThreadPoolExecutor(2) as pool:
            on_the_wire = pool.submit(transport.attempt, attempt, Secret(KEY), cancel)
            server.heard()
            in_the_queue = pool.submit(transport.attempt, attempt, Secret(KEY), cancel)
            time.sleep(0.05)
            cancel.cancel()
            for call in (on_the_wire, in_the_queue):
                with pytest.raises(AbortedError):
                    call.result(10)
        with pytest.raises(AbortedError):
            transport.attempt(attempt, Secret(KEY), cancel)
        assert len(server.requests) == 1


def test_an_attempt_with_a_token_waits_for_its_permit() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hold(_received: Received) -> bytes:
        asked.set()
        go_on.wait(10)
        return answer(envelope(BALANCE))

    with serving(hold) as server, ThreadPoolExecutor(2) as pool:
        transport, attempt = Transport(httpx.URL(server.url), 1, None), Attempt(api.users.balance())
        first = pool.submit(transport.attempt, attempt, Secret(KEY), CancelToken())
        asked.wait()
        second = pool.submit(transport.attempt, attempt, Secret(KEY), CancelToken())
        while not transport_waits(transport):
            time.sleep(0.001)
        go_on.set()
        assert isinstance(first.result(10), Reply)
        assert isinstance(second.result(10), Reply)
        transport.close()


def transport_waits(transport: Transport) -> bool:
    return any(state.semaphore._waiting for state in transport._states.values())  # pyright: ignore[reportPrivateUsage]  # not public


def test_a_users_client_is_refused_in_a_forked_child() -> None:
    with serving() as server, httpx.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, max_retries=0)
        client.users.balance()
        child = os.fork()
        if not child:
            try:
                client.users.balance()
            except ConfigurationError as error:
                os._exit(0 if "Make an httpx client in this process" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.users.balance().balance == 100.0
    assert [request.connection for request in server.requests] == [1, 1]


def test_a_users_async_client_is_refused_in_a_forked_child() -> None:
    own = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=envelope(BALANCE))))
    client = AsyncTriverse(KEY, http_client=own)
    child = os.fork()
    if not child:
        try:
            asyncio.run(client.users.balance())
        except ConfigurationError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(client.users.balance()).balance == 100.0


# --- Event loops


@contextmanager
def warnings_of_sockets_ignored() -> Generator[None]:
    """Ignore warnings of connections that httpx leaves in event loops that have ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def call_in_three_loops(mode: Mode, url: str) -> None:
    client = AsyncTriverse(KEY, base_url=url, http_client=httpx.AsyncClient(), max_retries=0)

    async def many() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(client.users.balance)

    for _ in range(3):
        run_async(mode, many)


# In uvloop, old anyio cannot close connections of the first loop in the second one. Then the call raises an error.
OLD_ANYIO = tuple(map(int, version("anyio").split(".")[:2])) < (4, 16)
ON_UVLOOP = pytest.param("uvloop", marks=pytest.mark.skipif(OLD_ANYIO, reason="anyio before 4.16 fails in uvloop"))


@pytest.mark.parametrize("mode", ["asyncio", "trio", ON_UVLOOP])
def test_a_users_async_client_works_in_one_event_loop_after_another(mode: Mode) -> None:
    with warnings_of_sockets_ignored(), serving() as server:
        call_in_three_loops(mode, server.url)
        gc.collect()
        assert len(server.requests) == 15


def stream_in_two_loops(url: str) -> None:
    transport = AsyncTransport(httpx.URL(url), 1, httpx.AsyncClient())

    async def read() -> bytes | AttemptFailed:
        async with transport.open(Attempt(api.users.balance()), Secret(KEY)) as stream:
            assert isinstance(stream, AsyncReplyStream)
            body = await stream.read()
            assert await stream.read() == b""
            return body

    for _ in range(2):
        loop = asyncio.new_event_loop()
        assert b"balance" in loop.run_until_complete(read())
        loop.close()


def test_streams_of_a_users_async_client_work_in_one_event_loop_after_another() -> None:
    with warnings_of_sockets_ignored(), serving() as server:
        stream_in_two_loops(server.url)
        gc.collect()
        assert len(server.requests) == 2


def test_a_users_async_client_cannot_change_from_asyncio_to_trio() -> None:
    with warnings_of_sockets_ignored(), serving() as server:
        client = AsyncTriverse(KEY, base_url=server.url, http_client=httpx.AsyncClient(), max_retries=0)
        run_async("asyncio", client.users.balance)
        with pytest.raises(TransportError, match="used in another event loop before"):
            run_async("trio", client.users.balance)
        assert len(server.requests) == 1


def test_a_users_async_client_in_two_loops_at_once_is_an_error() -> None:
    with warnings_of_sockets_ignored(), serving() as server:
        client = AsyncTriverse(KEY, base_url=server.url, http_client=httpx.AsyncClient(), max_retries=0)

        async def outer() -> None:
            await client.users.balance()
            with pytest.raises(ConfigurationError, match="one event loop at a time"):
                await anyio.to_thread.run_sync(asyncio.run, client.users.balance())

        asyncio.run(outer())


def test_a_transport_that_cannot_change_loops_is_named_as_the_cause() -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        if loops:
            raise RuntimeError("is bound to a different event loop")
        loops.append(1)
        return httpx.Response(200, json=envelope(BALANCE))

    loops: list[int] = []
    own = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    client = AsyncTriverse(KEY, http_client=own, max_retries=0)
    asyncio.run(client.users.balance())
    with pytest.raises(TransportError, match="used in another event loop before"):
        asyncio.run(client.users.balance())


# --- Errors of the user's own code


class Text(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield '{"code": 0}'  # type: ignore[misc]  # pyright: ignore[reportReturnType]  # on purpose

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield '{"code": 0}'  # type: ignore[misc]  # pyright: ignore[reportReturnType]  # on purpose


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error

    return handle


HANDLERS: list[Callable[[httpx.Request], httpx.Response]] = [
    lambda _: httpx.Response(200, stream=Text()),
    raising(TypeError("text")),
    raising(LookupError("no token")),
    raising(AttributeError("missing")),
    raising(AssertionError("wrong")),
    raising(ExceptionGroup("several", [ValueError("one")])),
]


@pytest.mark.parametrize("handle", HANDLERS)
@pytest.mark.anyio
async def test_an_error_of_a_users_transport_differs_from_a_network_error(
    handle: Callable[[httpx.Request], httpx.Response],
) -> None:
    message = "hook or transport of your http_client"
    with httpx.Client(transport=httpx.MockTransport(handle)) as own, pytest.raises(TransportError, match=message):
        Triverse(KEY, http_client=own).users.balance()
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as its_own:
        with pytest.raises(TransportError, match=message):
            await AsyncTriverse(KEY, http_client=its_own).users.balance()


def read_and_raise(response: httpx.Response) -> None:
    response.read()
    response.raise_for_status()


@pytest.mark.anyio
async def test_a_hook_that_reads_and_raises_does_not_hide_the_services_error() -> None:
    async def read_and_raise_async(response: httpx.Response) -> None:
        await response.aread()
        response.raise_for_status()

    body = {"code": 2010, "message": "Insufficient credits", "suggestion": "Buy some."}
    with serving(lambda _: answer(body, 403)) as server:
        with httpx.Client(event_hooks={"response": [read_and_raise]}) as own:
            with pytest.raises(Exception, match="Insufficient credits") as caught:
                Triverse(KEY, base_url=server.url, http_client=own).users.balance()
            assert type(caught.value).__name__ == "InsufficientCreditsError"
        async with httpx.AsyncClient(event_hooks={"response": [read_and_raise_async]}) as its_own:
            with pytest.raises(Exception, match="Insufficient credits") as caught:
                await AsyncTriverse(KEY, base_url=server.url, http_client=its_own).users.balance()
            assert type(caught.value).__name__ == "InsufficientCreditsError"
