"""Closing clients and views, and what happens to pending calls."""

from __future__ import annotations

import gc
import threading
from functools import partial

import anyio
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import BALANCE, Received, answer, envelope, serving

from triverse import AsyncTriverse, ConfigurationError, Triverse

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)


@each_mode
def test_closing_twice_closes_the_connections_once(mode: Mode) -> None:
    def sync_way(client: Triverse) -> None:
        client.users.balance()
        client.close()
        assert server.settled()
        client.close()

    async def async_way(client: AsyncTriverse) -> None:
        await client.users.balance()
        await client.aclose()
        assert server.settled()
        await client.aclose()

    with serving() as server:
        drive(mode, sync_way, async_way, base_url=server.url)


@each_mode
def test_an_unused_client_can_be_closed(mode: Mode) -> None:
    async def async_way(client: AsyncTriverse) -> None:
        await client.aclose()

    drive(mode, Triverse.close, async_way)


@each_mode
def test_a_call_after_closing_is_a_configuration_error(mode: Mode) -> None:
    def sync_way(client: Triverse) -> None:
        view = client.with_options(max_retries=0)
        client.close()
        for closed in (client, view, client.with_options(max_retries=1)):
            with pytest.raises(ConfigurationError, match="closed"):
                closed.users.balance()

    async def async_way(client: AsyncTriverse) -> None:
        view = client.with_options(max_retries=0)
        await client.aclose()
        for closed in (client, view, client.with_options(max_retries=1)):
            with pytest.raises(ConfigurationError, match="closed"):
                await closed.users.balance()

    with serving() as server:
        drive(mode, sync_way, async_way, base_url=server.url)
    assert server.connections == 0


@each_mode
def test_closing_a_view_keeps_the_connections_open(mode: Mode) -> None:
    def sync_way(client: Triverse) -> None:
        with client.with_options(api_key="tv-tenant-key") as view:
            view.users.balance()
        with pytest.raises(ConfigurationError, match="closed"):
            view.users.balance()
        client.users.balance()

    async def async_way(client: AsyncTriverse) -> None:
        async with client.with_options(api_key="tv-tenant-key") as view:
            await view.users.balance()
        with pytest.raises(ConfigurationError, match="closed"):
            await view.users.balance()
        await client.users.balance()

    with serving() as server:
        drive(mode, sync_way, async_way, base_url=server.url)
        assert (server.connections, len(server.requests)) == (1, 2)


@each_mode
@pytest.mark.parametrize(("calls", "at_once"), [(3, 100), (5, 1)], ids=["sent", "waiting"])
def test_pending_calls_succeed_after_closing_and_connections_close(mode: Mode, calls: int, at_once: int) -> None:
    go_on = threading.Event()

    def slow(_: Received) -> bytes:
        go_on.wait(10)
        return answer(envelope(BALANCE))

    totals: list[float] = []

    def sync_way(client: Triverse) -> None:
        threads = [threading.Thread(target=lambda: totals.append(client.users.balance().total)) for _ in range(calls)]
        for thread in threads:
            thread.start()
        server.heard(min(calls, at_once))
        client.close()
        go_on.set()
        for thread in threads:
            thread.join()
        assert server.settled()

    async def call(client: AsyncTriverse) -> None:
        totals.append((await client.users.balance()).total)

    async def async_way(client: AsyncTriverse) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(call, client)
            await anyio.to_thread.run_sync(server.heard, min(calls, at_once))
            await client.aclose()
            go_on.set()
        assert await anyio.to_thread.run_sync(server.settled)

    with serving(slow) as server:
        drive(mode, sync_way, async_way, base_url=server.url, max_connections=at_once)
    assert totals == [125.0] * calls


def test_threads_succeed_or_get_the_error_while_the_client_closes() -> None:
    def calls(client: Triverse) -> None:
        while client.users.balance().total == 125.0:
            ends.append("well")

    def calls_until_closed(client: Triverse) -> None:
        with pytest.raises(ConfigurationError, match="closed"):
            calls(client)
        ends.append("closed")

    with serving() as server:
        for _ in range(10):
            ends: list[str] = []
            client = Triverse(KEY, base_url=server.url, max_connections=4)
            threads = [threading.Thread(target=calls_until_closed, args=(client,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            server.heard(len(server.requests) + 20)
            client.close()
            for thread in threads:
                thread.join()
            assert ends.count("closed") == 8
            assert ends.count("well") >= 16
            assert server.settled()


def test_a_garbage_collected_client_closes_its_sockets() -> None:
    with serving() as server:
        Triverse(KEY, base_url=server.url).users.balance()
        gc.collect()
        assert server.settled()


# The test leaves sockets and async generators to the garbage collector, so Python warns.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_garbage_collected_async_client_closes_its_sockets(backend: str) -> None:
    async def main() -> None:
        await AsyncTriverse(KEY, base_url=server.url).users.balance()
        gc.collect()
        assert await anyio.to_thread.run_sync(server.settled)

    with serving() as server:
        anyio.run(main, backend=backend)


@pytest.mark.anyio
async def test_connections_that_are_idle_for_too_long_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        async with AsyncTriverse(KEY, base_url=server.url) as client:
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(client.users.balance)
            most = server.open_now
            monkeypatch.setattr("triverse.transport.pool.KEEPALIVE_SECONDS", 0.0)
            for _ in range(most):
                await client.users.balance()
            assert await anyio.to_thread.run_sync(partial(server.settled, still_open=1))


def test_connections_of_threads_that_are_idle_too_long_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)

    def at_once(_: Received) -> bytes:
        if len(server.requests) <= 3:
            together.wait(10)
        return answer(envelope(BALANCE))

    with serving(at_once) as server, Triverse(KEY, base_url=server.url) as client:
        threads = [threading.Thread(target=client.users.balance) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.open_now == 3
        monkeypatch.setattr("triverse.transport.pool.KEEPALIVE_SECONDS", 0.0)
        client.users.balance()
        client.users.balance()
        assert server.settled(still_open=1)
