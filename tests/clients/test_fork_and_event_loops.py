"""Forks, several event loops, programs that end without closing, and connections that die while idle."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading

import anyio
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.internals import loop_states
from support.server import BALANCE, Peer, Server, answer, envelope, serving

from triverse import AsyncTriverse, Triverse, api

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)


def program(source: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run a program with all warnings, for at most half a minute."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-X", "dev", "-W", "always::ResourceWarning", "-c", textwrap.dedent(source)],
        env={**os.environ, "TRIVERSE_API_KEY": KEY, "TRIVERSE_BASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Developer mode also logs when the event loop was busy for long, mostly with imports.
    done.stderr = "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith("Executing <"))
    return done


@pytest.mark.parametrize(
    "source",
    [
        """
        from triverse import Triverse
        print(Triverse().users.balance().total)
        """,
        """
        from triverse import Triverse
        client = Triverse()
        print(client.users.balance().total)
        """,
        """
        import threading
        from triverse import Triverse
        client = Triverse()
        threads = [threading.Thread(target=client.users.balance) for _ in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(client.users.balance().total)
        """,
        """
        import asyncio
        from triverse import AsyncTriverse
        client = AsyncTriverse()
        async def main():
            await asyncio.gather(*[client.users.balance() for _ in range(5)])
            print((await client.users.balance()).total)
        asyncio.run(main())
        """,
        """
        import asyncio
        from triverse import AsyncTriverse
        async def main():
            print((await AsyncTriverse().users.balance()).total)
        asyncio.run(main())
        """,
        """
        import trio
        from triverse import AsyncTriverse
        client = AsyncTriverse()
        async def main():
            print((await client.users.balance()).total)
        trio.run(main)
        """,
    ],
)
def test_a_program_that_does_not_close_ends_without_warnings(source: str) -> None:
    with serving() as server:
        done = program(source, server.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "125.0\n", "")
        assert server.settled()


def never_answer(peer: Peer) -> None:
    peer.request()
    peer.pause()


def test_a_program_can_exit_during_a_call() -> None:
    source = """
        import os, sys, threading
        from triverse import Triverse
        client = Triverse()
        threading.Thread(target=client.users.balance, daemon=True).start()
        import time; time.sleep(0.3)
        sys.exit(3)
    """
    with Server(never_answer) as server:
        done = program(source, server.url)
    assert done.returncode == 3
    assert done.stderr.count("ResourceWarning") <= 1


def test_a_forked_child_can_use_its_parents_client() -> None:
    """This is what gunicorn's preload does. The child never uses connections of its parent."""
    source = """
        import os
        from triverse import Triverse
        client = Triverse()
        client.users.balance()
        for _ in range(3):
            if not (child := os.fork()):
                client.users.balance()
                client.users.balance()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        client.users.balance()
        client.close()
        print("done")
    """
    with serving() as server:
        done = program(source, server.url)
        assert (done.stdout, done.stderr) == ("done\n", "")
    by_connection = [sum(r.connection == n for r in server.requests) for n in range(1, 5)]
    assert by_connection == [2, 2, 2, 2]


def test_a_forked_child_does_not_wait_for_its_parents_threads() -> None:
    """All permits are taken, and other threads wait for one, when the process forks."""
    source = """
        import os, threading, time
        from triverse import Triverse
        client = Triverse(max_connections=1, deadline=None, timeout=60.0)
        for _ in range(3):
            threading.Thread(target=client.request, args=("GET", "/slow"), daemon=True).start()
        time.sleep(0.3)
        if not (child := os.fork()):
            print(client.with_options(deadline=5).users.balance().total, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        os._exit(0)
    """

    def play(peer: Peer) -> None:
        while (received := peer.request()) is not None:
            if received.path.endswith("/slow"):
                peer.pause()
            peer.send(answer(envelope(BALANCE)))

    with Server(play) as server:
        done = program(source, server.url)
    assert done.stdout == "125.0\n", done.stderr


def test_a_forked_child_can_use_its_parents_async_client() -> None:
    source = """
        import asyncio, os, time
        from triverse import AsyncTriverse
        client = AsyncTriverse()
        async def main():
            return (await client.users.balance()).total
        asyncio.run(main())
        # Linux still counts, for a moment, the thread in which asyncio has looked up a name.
        while os.path.exists("/proc/self/task") and len(os.listdir("/proc/self/task")) > 1:
            time.sleep(0.001)
        if not (child := os.fork()):
            print(asyncio.run(main()), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(asyncio.run(main()))
    """
    with serving() as server:
        done = program(source, server.url)
    assert (done.stdout, done.stderr) == ("125.0\n125.0\n", "")


def test_one_client_works_in_several_event_loops_in_turn() -> None:
    with serving() as server:
        client = AsyncTriverse(KEY, base_url=server.url)

        async def main() -> float:
            return (await client.users.balance()).total

        assert [asyncio.run(main()) for _ in range(3)] == [125.0] * 3
        assert [anyio.run(main, backend="trio") for _ in range(3)] == [125.0] * 3
        assert server.settled()
        assert len(loop_states(client)) <= 1


def test_one_client_works_in_event_loops_of_several_threads() -> None:
    totals: list[float] = []

    with serving() as server:
        client = AsyncTriverse(KEY, base_url=server.url)

        async def main() -> None:
            for _ in range(10):
                balance = await client.users.balance()
                totals.append(balance.total)

        threads = [
            threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": backend})
            for backend in ("asyncio", "trio", "asyncio", "trio")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert totals == [125.0] * 40


@each_mode
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_dead_idle_connection_is_replaced_without_a_retry(mode: Mode, how: str) -> None:
    """The server closes every connection after its first response, without announcing it."""

    def play(peer: Peer) -> None:
        peer.request()
        peer.send(answer(envelope(BALANCE)))
        peer.close() if how == "closed" else peer.reset()

    def sync_way(client: Triverse) -> int:
        return sum(client.send(api.users.balance()).attempts for _ in range(4) if server.settled())

    async def async_way(client: AsyncTriverse) -> int:
        return sum([await called(client) for _ in range(4)])

    async def called(client: AsyncTriverse) -> int:
        response = await client.send(api.users.balance())
        await anyio.to_thread.run_sync(server.settled)
        return response.attempts

    with Server(play) as server:
        assert drive(mode, sync_way, async_way, base_url=server.url, max_retries=0) == 4
    assert server.connections == 4


def test_the_sync_client_works_inside_of_a_running_event_loop() -> None:
    """Cells of a notebook run inside of an event loop."""

    async def cell() -> float:
        with Triverse(KEY, base_url=server.url) as client:
            return client.users.balance().total

    with serving() as server:
        for backend in ("asyncio", "trio"):
            assert anyio.run(cell, backend=backend) == 125.0


def test_a_loop_started_inside_of_a_loop_has_its_own_connections() -> None:
    """When a cell calls `asyncio.run`, some notebooks run another loop in another thread, while the first one waits."""
    with serving() as server:
        client = AsyncTriverse(KEY, base_url=server.url)

        async def inner() -> float:
            return (await client.users.balance()).total

        async def outer() -> float:
            await inner()
            total = await anyio.to_thread.run_sync(asyncio.run, inner())
            return total + await inner()

        assert asyncio.run(outer()) == 250.0
