"""The deadline bounds the whole call, whatever the server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import Peer, Received, Script, Server, answer, serving
from support.tls import server_context, trust

from triverse import (
    AsyncTriverse,
    DeadlineExceededError,
    RateLimitError,
    RequestTimeoutError,
    Timeout,
    Triverse,
    TriverseError,
)

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)

DEADLINE = 0.5
TRIES = 4


def head(peer: Peer) -> None:
    peer.request()
    peer.trickle(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000)


def body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    peer.trickle(b" " * 10_000)


def chunks(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        peer.send(b"1\r\n \r\n")
        peer.pause(0.02)


def informational(peer: Peer) -> None:
    peer.request()
    for _ in range(1000):
        peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        peer.pause(0.02)


def nothing(peer: Peer) -> None:
    peer.request()
    peer.pause()


def fails(call: Callable[[], object]) -> None:
    with pytest.raises(TriverseError):
        call()


def seconds_until_the_error(mode: Mode, url: str) -> float:
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=url, deadline=DEADLINE)
    return time.monotonic() - started


def holds(mode: Mode, url: str) -> bool:
    """Check that one of a few tries ends within a fifth of the deadline. On a busy machine some tries are late."""
    return any(DEADLINE * 0.8 <= seconds_until_the_error(mode, url) <= DEADLINE * 1.2 for _ in range(TRIES))


@each_mode
@pytest.mark.parametrize("script", [head, body, chunks, informational, nothing])
def test_a_slow_response_ends_with_the_deadline(mode: Mode, script: Script) -> None:
    with Server(script) as server:
        assert holds(mode, server.url)


@each_mode
@pytest.mark.parametrize("script", [head, body])
def test_a_slow_response_over_tls_ends_with_the_deadline(
    mode: Mode, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path)
    with Server(script, server_context()) as server:
        assert holds(mode, server.url)


@each_mode
def test_a_missing_tls_handshake_ends_with_the_deadline(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path)
    with Server(lambda peer: peer.pause()) as server:
        assert holds(mode, f"https://localhost:{server.port}/api/v1")


@each_mode
def test_pauses_between_attempts_count_against_the_deadline(mode: Mode) -> None:
    """The pauses after two responses fit into the deadline. The third would not, so the call fails at once."""

    def busy(_: Received) -> bytes:
        return answer({"code": 2000, "message": "slow down"}, 429, {"Retry-After": "0.2"})

    with serving(busy) as server, pytest.raises((RateLimitError, DeadlineExceededError)):
        drive(
            mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url, deadline=DEADLINE, max_retries=50
        )
    assert 1 <= len(server.requests) <= 3


@each_mode
def test_a_retry_after_beyond_the_deadline_fails_at_once(mode: Mode) -> None:
    def busy(_: Received) -> bytes:
        return answer({"code": 2000, "message": "slow down"}, 429, {"Retry-After": "3600"})

    with serving(busy) as server, pytest.raises(RateLimitError) as caught:
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
    assert caught.value.retry_after == 3600
    assert len(server.requests) == 1


def test_threads_wait_for_a_connection_up_to_the_deadline() -> None:
    with Server(nothing) as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=None) as client:
        busy = threading.Thread(target=fails, args=(client.users.me,))
        busy.start()
        server.heard()
        for _ in range(TRIES):
            started = time.monotonic()
            with pytest.raises(DeadlineExceededError, match="free"):
                client.with_options(deadline=DEADLINE).users.me()
            if time.monotonic() - started <= DEADLINE * 1.2:
                break
        else:
            pytest.fail("the wait for a connection went past the deadline")
        server.closing.set()
        busy.join(10)
    assert len(server.requests) <= 3


@pytest.mark.anyio
async def test_tasks_wait_for_a_connection_up_to_the_deadline() -> None:
    with Server(nothing) as server:
        async with (
            AsyncTriverse(KEY, base_url=server.url, max_connections=1) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(client.with_options(deadline=None).users.me)
            await anyio.to_thread.run_sync(server.heard)
            with pytest.raises(DeadlineExceededError, match="free"):
                await client.with_options(deadline=0.1).users.me()
            group.cancel_scope.cancel()
    assert len(server.requests) == 1


@each_mode
def test_the_pool_timeout_limits_the_wait_for_a_connection(mode: Mode) -> None:
    """`Timeout(pool=…)` limits one attempt, and the call is retried."""

    def sync_way(client: Triverse) -> None:
        holder = threading.Thread(target=fails, args=(client.with_options(deadline=None).users.me,))
        holder.start()
        server.heard()
        with pytest.raises(RequestTimeoutError, match="timed out before the request was sent"):
            client.users.me()
        server.closing.set()
        holder.join(10)

    async def async_way(client: AsyncTriverse) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(client.users.me)
            await anyio.to_thread.run_sync(server.heard)
            with pytest.raises(RequestTimeoutError, match="timed out before the request was sent"):
                await client.users.me()
            group.cancel_scope.cancel()

    with Server(nothing) as server:
        drive(
            mode, sync_way, async_way, base_url=server.url, timeout=Timeout(pool=0.05), max_connections=1, max_retries=0
        )


@each_mode
def test_without_a_deadline_the_phase_timeouts_still_apply(mode: Mode) -> None:
    with Server(nothing) as server, pytest.raises(RequestTimeoutError) as caught:
        drive(
            mode,
            lambda c: c.users.me(),
            lambda c: c.users.me(),
            base_url=server.url,
            deadline=None,
            timeout=0.05,
            max_retries=0,
        )
    assert not isinstance(caught.value, DeadlineExceededError)
    assert isinstance(caught.value, TimeoutError)
