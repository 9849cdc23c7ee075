"""Idle connections are kept for each origin, and reused only if that is safe."""

# These tests need private names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections import deque

import httpcore
import httpx
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.internals import idle_connections, process_states
from support.server import BALANCE, ME, Peer, Server, answer, envelope, serving

from triverse import APIError, AsyncTriverse, InvalidResponseError, Request, Triverse, UserBalance
from triverse.transport.async_single_connection import AsyncSingleConnectionTransport
from triverse.transport.pool import IdleConnections
from triverse.transport.single_connection import SingleConnectionTransport

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)


class TakenAtOnce(deque[tuple[str, float]]):
    """Another thread takes each connection at once."""

    def append(self, _item: tuple[str, float], /) -> None:
        return


def test_a_connection_that_another_thread_takes_at_once_is_not_missed() -> None:
    idle: IdleConnections[str] = IdleConnections()
    idle._idle = TakenAtOnce()
    assert idle.put("a connection") is None


def test_the_connection_that_was_used_last_is_used_first() -> None:
    idle: IdleConnections[str] = IdleConnections()
    idle.put("old")
    idle.put("new")
    assert (idle.take(), idle.take(), idle.take()) == ("new", "old", None)


def test_a_connection_that_was_idle_for_too_long_is_returned_to_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 31.0])
    monkeypatch.setattr("triverse.transport.pool.monotonic", lambda: next(times))
    idle: IdleConnections[str] = IdleConnections()
    assert idle.put("old") is None
    assert idle.put("new") == "old"


@each_mode
def test_expired_connections_are_closed(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triverse.transport.pool.KEEPALIVE_SECONDS", -1.0)
    with serving() as server:

        def sync_way(client: Triverse) -> bool:
            client.users.me()
            return server.settled()

        async def async_way(client: AsyncTriverse) -> bool:
            await client.users.me()
            return server.settled()

        assert drive(mode, sync_way, async_way, base_url=server.url)


def two_responses(peer: Peer) -> None:
    """Send a second response for which there is no request."""
    peer.request()
    peer.send(answer(envelope(BALANCE)) + answer(envelope({"balance": 666.0, "frozen": 0.0})))
    peer.pause()


@each_mode
def test_a_connection_with_bytes_after_the_response_is_not_reused(mode: Mode) -> None:
    async def async_way(client: AsyncTriverse) -> list[UserBalance]:
        return [await client.users.balance(), await client.users.balance()]

    with Server(two_responses) as server:
        balances = drive(
            mode, lambda c: [c.users.balance(), c.users.balance()], async_way, base_url=server.url, max_retries=0
        )
        assert [balance.balance for balance in balances] == [100.0, 100.0]
        assert server.connections == 2


def test_the_names_of_httpx_and_httpcore_that_are_not_public_are_still_there() -> None:
    """The package sets `_pool`, and reads `_connection` and `_h11_state` to find bytes after a response."""
    for transport in (httpx.HTTPTransport(), httpx.AsyncHTTPTransport()):
        assert isinstance(transport._pool, (httpcore.ConnectionPool, httpcore.AsyncConnectionPool))
    assert issubclass(SingleConnectionTransport, httpx.HTTPTransport)
    assert issubclass(AsyncSingleConnectionTransport, httpx.AsyncHTTPTransport)
    with serving() as server, httpcore.ConnectionPool() as pool:
        pool.request("GET", server.url)
        (connection,) = pool.connections
        parser = connection._connection._h11_state  # type: ignore[attr-defined]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]  # the point
        assert parser.trailing_data == (b"", False)  # pyright: ignore[reportUnknownMemberType]  # the point


@each_mode
def test_each_origin_has_connections_of_its_own_and_no_key_goes_to_another(mode: Mode) -> None:
    with serving() as server, serving(lambda _: answer(envelope(ME))) as storage:
        elsewhere = Request("GET", "/file", object, url=f"{storage.origin}/file?signature=1")

        async def async_way(client: AsyncTriverse) -> None:
            for _ in range(2):
                await client.users.balance()
                await client.execute(elsewhere)

        def sync_way(client: Triverse) -> None:
            for _ in range(2):
                client.users.balance()
                client.execute(elsewhere)

        drive(mode, sync_way, async_way, base_url=server.url)
    assert (server.connections, storage.connections) == (1, 1)
    assert server.authorizations == [f"Bearer {KEY}"] * 2
    assert storage.authorizations == ["", ""]
    assert [request.target for request in storage.requests] == ["/file?signature=1"] * 2


@each_mode
def test_a_redirect_is_a_response_even_if_its_location_is_not_a_url(mode: Mode) -> None:
    with (
        serving(lambda _: answer(b"", 302, {"Location": "https://[::1"})) as server,
        pytest.raises((APIError, InvalidResponseError), match="302"),
    ):
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
    assert len(server.requests) == 1


def test_a_client_that_is_closed_during_a_call_closes_its_connection_afterwards() -> None:
    def close_first(peer: Peer) -> None:
        peer.request()
        client.close()
        peer.send(answer(envelope(BALANCE)))
        peer.pause()

    with Server(close_first) as server:
        client = Triverse(KEY, base_url=server.url)
        assert client.users.balance().balance == 100.0
        assert [idle_connections(state) for state in process_states(client)] == [0]
        assert server.settled()
