"""Ctrl-C, by real signals: it is raised as KeyboardInterrupt, and the client works afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import count, islice
from pathlib import Path

import httpx
import pytest
from support.clients import KEY
from support.fake_transport import FakeApi
from support.internals import waiting_callers, watched_calls
from support.interrupts import interrupt_after_line
from support.server import BALANCE, Peer, Server, envelope, serving

from triverse import DeadlineExceededError, Triverse

_PROGRAM = """
import os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
from support.server import BALANCE, Server, answer, envelope
from triverse import Triverse

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def during_the_request(peer, received):
    interrupt()
    peer.pause()

def during_the_backoff(peer, received):
    peer.send(answer(b"", 503, {"Retry-After": "20"}))
    threading.Timer(0.3, interrupt).start()

first = {"request": during_the_request, "backoff": during_the_backoff}[sys.argv[2]]

def script(peer):
    while (received := peer.request()) is not None:
        if len(peer.server.requests) == 1:
            first(peer, received)
        else:
            peer.send(answer(envelope(BALANCE)))

with Server(script) as server, Triverse("tv-0123456789", base_url=server.url, max_connections=1) as client:
    try:
        client.users.balance()
    except KeyboardInterrupt as error:
        print(type(error).__name__, error.__cause__)
    print(client.users.balance().total, len(server.requests))
    client.close()
    print(server.settled())
"""


@pytest.mark.parametrize("when", ["request", "backoff"])
def test_ctrl_c_ends_the_call_and_the_client_works_afterwards(when: str) -> None:
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-c", _PROGRAM, str(Path(__file__).parents[1]), when],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.stdout.splitlines() == ["KeyboardInterrupt None", "125.0 2", "True"]
    assert "Traceback" not in run.stderr


def watch(client: Triverse) -> None:
    with closing(client.users.watch_balance(interval=0.001)) as balances:
        assert next(balances).total > 0


def fetch_many(client: Triverse) -> None:
    assert [account.error for account in client.balances({"one": KEY, "two": KEY})] == [None, None]


def leave_a_loop_early(client: Triverse) -> None:
    assert len(list(islice(client.balances(dict.fromkeys("abcdef", KEY)), 2))) == 2


OPERATIONS: dict[str, Callable[[Triverse], object]] = {
    "balance": lambda client: client.users.balance(),
    "balance(max_age=0)": lambda client: client.users.balance(max_age=0),
    "balance(max_age=60)": lambda client: client.users.balance(max_age=60),
    "watch_balance": watch,
    "wait_until_settled": lambda client: client.with_options(max_retries=0).users.wait_for_balance(1, interval=0.001),
    "balances": fetch_many,
    "balances, left early": leave_a_loop_early,
}


@pytest.fixture(params=["own connections", "http_client"])
def client(request: pytest.FixtureRequest) -> Generator[Triverse]:
    """The client has one connection at most, so a lost permit would make the next call fail."""
    if request.param == "http_client":
        with FakeApi({KEY: (100.0, 25.0)}).client(KEY, max_connections=1, deadline=10) as client:
            yield client
    else:
        with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=10) as client:
            yield client


def worker_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "triverse-balances"]


# An interrupt inside of a finalizer cannot be raised, and one inside of the standard library's `create_connection()`
# leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", OPERATIONS)
def test_ctrl_c_after_any_line_leaves_the_client_usable(client: Triverse, name: str) -> None:
    operation = OPERATIONS[name]
    operation(client)
    for line in count(1):
        reached = interrupt_after_line(line, lambda: operation(client))
        operation(client)
        assert (waiting_callers(client), watched_calls(client)) == (0, 0)
        if not reached:
            break
    limit = time.monotonic() + 10
    while worker_threads():
        assert time.monotonic() < limit
        time.sleep(0.001)
    gc.collect()


def trickled_head(peer: Peer) -> None:
    peer.request()
    peer.trickle(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"a" * 1000)


class BalancesAreAnswered(httpx.HTTPTransport):
    """Sends other requests on real connections, where a Ctrl-C may leave a lock of httpcore locked."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/balance"):
            return httpx.Response(200, json=envelope(BALANCE))
        return super().handle_request(request)


def test_after_ctrl_c_at_any_line_a_users_client_keeps_its_deadline() -> None:
    with Server(trickled_head) as server, httpx.Client(transport=BalancesAreAnswered()) as own:
        client = Triverse(KEY, base_url=server.url, http_client=own, max_retries=0, deadline=10)
        lines = count(1)
        while interrupt_after_line(next(lines), client.users.balance):
            client.users.balance()
        with pytest.raises(DeadlineExceededError):
            client.with_options(deadline=0.2).users.me()
