from __future__ import annotations

import importlib
import threading
import time

import pytest
from freezegun import freeze_time
from support.clients import KEY, MODES, Mode, drive
from support.server import Peer, Server, serving

from triverse import AsyncTriverse, DeadlineExceededError, Triverse, UserBalance
from triverse.transport import clock


def sync_calls(client: Triverse) -> UserBalance:
    client.users.balance()
    with freeze_time("2024-01-01"):
        client.users.balance()
    return client.users.balance()


async def async_calls(client: AsyncTriverse) -> UserBalance:
    await client.users.balance()
    with freeze_time("2024-01-01"):
        await client.users.balance()
    return await client.users.balance()


@pytest.mark.parametrize("mode", MODES)
def test_calls_work_while_freezegun_has_stopped_the_clocks(mode: Mode) -> None:
    with serving() as server:
        assert drive(mode, sync_calls, async_calls, base_url=server.url, max_retries=0).total == 125.0


def silent(peer: Peer) -> None:
    peer.request()
    peer.pause()


def test_the_deadline_holds_while_the_clocks_are_stopped() -> None:
    with Server(silent) as server, Triverse(KEY, base_url=server.url, deadline=0.2) as client:
        watchdog = threading.Timer(20, server.closing.set)
        watchdog.start()
        with freeze_time("2024-01-01"), pytest.raises(DeadlineExceededError):
            client.users.balance()
        watchdog.cancel()
        watchdog.join()


def test_without_clock_gettime_the_clock_is_still_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.delattr(time, "clock_gettime")
        importlib.reload(clock)
        with freeze_time("2024-01-01"):
            assert clock.monotonic() != time.monotonic()
    importlib.reload(clock)
