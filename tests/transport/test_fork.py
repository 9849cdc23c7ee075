"""A forked child has its own connections, and does not use those of its parent."""

# These tests need private names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.clients import KEY
from support.file_server import file_response, serving_files
from support.files import glb
from support.internals import process_states
from support.server import BALANCE, Received, Server, answer, envelope, serving
from support.tls import server_context, trust

from triverse import AsyncTriverse, ConfigurationError, Triverse, api
from triverse.core.attempt import Attempt, Reply
from triverse.core.secret import Secret
from triverse.transport.cancel import CancelToken
from triverse.transport.sync import Transport

MODULES_OF_THE_FIRST_CALL = """
import asyncio, sys
from triverse import AsyncTriverse, Triverse, TriverseError

async def call_async(client):
    for path in ("/users/balance", "/nowhere"):
        try:
            await client.request("GET", path)
        except TriverseError:
            pass

def call(client):
    for path in ("/users/balance", "/nowhere"):
        try:
            client.request("GET", path)
        except TriverseError:
            pass

client = (Triverse if sys.argv[1] == "sync" else AsyncTriverse)("a-key-of-ours", base_url=sys.argv[2], max_retries=1)
before = set(sys.modules)
call(client) if sys.argv[1] == "sync" else asyncio.run(call_async(client))
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("triverse.clients")))
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_first_call_imports_nothing(kind: str) -> None:
    """If another thread holds an import lock during the fork, the lock is never released in the child."""
    with serving() as server:
        command = [sys.executable, "-c", MODULES_OF_THE_FIRST_CALL, kind, server.url.replace("127.0.0.1", "localhost")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own program
    assert done.stdout.split() == []


FORK_DURING_AN_IMPORT = """
import os, signal, sys, threading, time
from triverse import Triverse

class SlowImport:
    def find_spec(self, name, path=None, target=None):
        if name == "triverse.api.tasks.namespace":
            importing.set()
            time.sleep(0.3)

importing = threading.Event()
sys.meta_path.insert(0, SlowImport())
client = Triverse("a-key-of-ours", base_url=sys.argv[1])
threading.Thread(target=lambda: client.tasks).start()
importing.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    client.tasks
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_that_is_forked_during_an_import_can_use_the_module() -> None:
    command = [sys.executable, "-c", FORK_DURING_AN_IMPORT, "http://127.0.0.1:9/api/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own program
    assert done.stdout.split() == ["0"]


def in_a_child(act: Callable[[], object]) -> None:
    child = os.fork()
    if not child:
        try:
            act()
            gc.collect()
        except BaseException:  # noqa: BLE001 - the child must not go on with the tests
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("tls", [False, True])
def test_a_child_closes_its_copies_of_idle_connections_and_the_parent_goes_on(
    tls: bool,  # noqa: FBT001 - two cases of one test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust(monkeypatch, tmp_path)
    with serving(tls=server_context() if tls else None) as server:
        client = Triverse(KEY, base_url=server.url, max_retries=0)
        client.users.balance()
        in_a_child(client.close)
        in_a_child(client.users.balance)
        client.users.balance()
        (state, *_) = process_states(client)
        assert state.pool is not None
        in_a_child(state.pool.close)
        client.users.balance()
        client.close()
    assert [received.connection for received in server.requests] == [1, 2, 1, 1]


def test_a_child_cannot_cancel_what_its_parent_does() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hold(_received: Received) -> bytes:
        asked.set()
        go_on.wait()
        return answer(envelope(BALANCE))

    cancel, outcomes = CancelToken(), list[object]()
    with serving(hold) as server:
        transport = Transport(httpx.URL(server.url), 4, None)
        attempt = Attempt(api.users.balance())
        thread = threading.Thread(target=lambda: outcomes.append(transport.attempt(attempt, Secret(KEY), cancel)))
        thread.start()
        asked.wait()
        callbacks = list(cancel._callbacks)

        def abort() -> None:
            cancel.cancel()
            for callback in callbacks:
                callback()

        assert len(callbacks) == 1
        in_a_child(abort)
        go_on.set()
        thread.join()
    assert isinstance(outcomes[0], Reply)


def test_threads_of_a_child_share_one_semaphore() -> None:
    with Server() as server:
        client = Triverse(KEY, base_url=server.url, max_connections=1)
        client.users.balance()

        def call_in_threads() -> None:
            threads = [threading.Thread(target=client.users.balance) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(process_states(client)) == 2

        in_a_child(call_in_threads)
    assert server.most_open <= 2


TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
# Larger than the buffers of sockets, so that most of it is unread when the process forks.
MODEL = glb(8_000_000)


@pytest.mark.parametrize("has_own_client", [False, True])
def test_a_child_neither_reads_from_a_stream_of_its_parent_nor_cuts_it(
    has_own_client: bool,  # noqa: FBT001 - two cases of one test
) -> None:
    with serving_files(lambda got: file_response(MODEL, got)) as server, httpx.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own if has_own_client else None)
        with client.tasks.stream(TASK) as download:
            begin = next(chunks := iter(download))

            def read_on() -> None:
                with pytest.raises(ConfigurationError, match="begun in another process"):
                    list(chunks)  # bytes that were read before the fork

            in_a_child(read_on)
            in_a_child(download.close)
            assert begin + b"".join(chunks) == MODEL
        client.close()
    assert len(server.requests) == 1


def test_a_child_does_not_read_from_an_async_stream_of_its_parent() -> None:
    async def main() -> None:
        async with AsyncTriverse(KEY, base_url=server.url) as client, client.tasks.stream(TASK) as download:
            chunks = aiter(download)
            begin = await anext(chunks)

            async def read_to_the_end() -> None:
                with pytest.raises(ConfigurationError, match="begun in another process"):
                    _ = [chunk async for chunk in chunks]

            def read_on() -> None:
                with pytest.raises(StopIteration):  # it ends without waiting for anything
                    read_to_the_end().send(None)

            in_a_child(read_on)
            assert begin + b"".join([chunk async for chunk in chunks]) == MODEL

    with serving_files(lambda got: file_response(MODEL, got)) as server:
        asyncio.run(main())
    assert len(server.requests) == 1
