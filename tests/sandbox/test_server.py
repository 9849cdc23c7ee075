from __future__ import annotations

import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.shell import environment, run_program

from triverse import ConfigurationError, Triverse
from triverse.sandbox import Fault, Sandbox
from triverse.sandbox.server import run_server


def test_the_server_runs_on_a_free_loopback_port_until_the_block_ends() -> None:
    sandbox = Sandbox()
    with sandbox.serve() as url, sandbox.serve() as other:
        assert url != other
        assert urlsplit(url).hostname == "127.0.0.1"
        for base_url in (url, other):
            with Triverse(sandbox.demo.key, base_url=base_url) as client:
                assert client.users.balance().balance == 1200.0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_block_that_ends_before_the_server_has_started_closes_its_socket() -> None:
    for _ in range(3):
        with Sandbox().serve():
            pass
    gc.collect()  # a socket left open is a ResourceWarning


def test_a_response_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    with Sandbox().serve() as url, httpx.Client() as client, client.stream("GET", url) as response:
        ours = response.extensions["network_stream"].get_extra_info("client_addr")
        (served,) = (found for found in all_sockets() if peer_of(found) == ours)
        # With Nagle's algorithm, which this switches off, a response takes 44 ms.
        assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def all_sockets() -> list[socket.socket]:
    return [found for found in gc.get_objects() if type(found) is socket.socket and found.fileno() >= 0]


def peer_of(connection: socket.socket) -> object:
    try:
        return connection.getpeername()
    except OSError:
        return None


def test_requests_without_a_response_do_not_delay_the_shutdown() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault.silent(), match="/users/me")
    sandbox.faults.add(Fault.trickled(60), match="/users/balance")
    began = time.monotonic()
    with sandbox.serve() as url:
        waiting = [threading.Thread(target=_ask, args=(url + path,)) for path in ("/users/me", "/users/balance")]
        for thread in waiting:
            thread.start()
        while len(sandbox.requests) < 2:
            time.sleep(0.01)
    for thread in waiting:
        thread.join()
    assert time.monotonic() - began < 30


def _ask(url: str) -> None:
    with suppress(httpx.TransportError):
        httpx.get(url, timeout=60)


def test_a_refused_connection_is_closed_although_the_client_keeps_it_open() -> None:
    sandbox = Sandbox()
    with sandbox.serve() as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            stream = connection.makefile("rb")
            assert stream.readline().startswith(b"HTTP/1.1 400")
            with suppress(OSError):
                connection.sendall(b"more nonsense")
            stream.read()


_PROGRAM = """
from triverse.sandbox import Sandbox
from triverse.sandbox.activity import Activity
from triverse.sandbox.server import run_server

sandbox = Sandbox()
run_server(sandbox, port=0, activity=ACTIVITY, ready=lambda url: print(url, sandbox.demo.key, flush=True))
print("ended well")
"""


@pytest.mark.parametrize(
    ("how", "activity"), [(signal.SIGINT, "Activity([sandbox.demo])"), (signal.SIGTERM, "None")], ids=["ctrl-c", "kill"]
)
def test_a_signal_ends_the_server_cleanly(how: signal.Signals, activity: str) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM.replace("ACTIVITY", activity)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    url, key = process.stdout.readline().split()
    with Triverse(key, base_url=url) as client:
        assert client.users.me().email == "demo@triverse.example"
        process.send_signal(how)
        printed, complaints = process.communicate(timeout=120)
    assert complaints == ""
    if how is signal.SIGINT:
        assert (process.returncode, printed) == (0, "ended well\n")


_IMPATIENT = """
import signal
from triverse.sandbox import Sandbox
from triverse.sandbox.server import run_server

def ready(url):
    signal.raise_signal(signal.SIGINT)
    print("the signal was the server's")

run_server(Sandbox(), port=0, ready=ready)
print("ended well")
"""


def test_ctrl_c_ends_the_server_cleanly_as_soon_as_it_is_ready() -> None:
    ended = run_program(_IMPATIENT)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "the signal was the server's\nended well\n"


_LAST_MOMENT = """
import asyncio, signal, socket, time
from urllib.parse import urlsplit
from triverse.sandbox import Sandbox
from triverse.sandbox.server import run_server

held = []

def ready(url):
    def connect_and_end():
        held.append(socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)))
        time.sleep(0.3)  # until it is time to look at both
        signal.raise_signal(signal.SIGINT)

    asyncio.get_running_loop().call_soon(connect_and_end)

run_server(Sandbox(), port=0, ready=ready)
assert held[0].recv(1) == b""
print("ended well")
"""


def test_a_client_that_connects_during_the_shutdown_does_not_delay_it() -> None:
    ended = run_program(_LAST_MOMENT)
    assert (ended.stdout, ended.stderr) == ("ended well\n", "")


_BESIDE_UVLOOP = """
import asyncio, warnings
import uvloop
from triverse.sandbox import Sandbox
from triverse.sandbox.server import run_server

warnings.simplefilter("ignore")  # Python 3.14 warns of policies
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

def ready(url):
    print(isinstance(asyncio.get_running_loop(), uvloop.Loop))
    raise KeyboardInterrupt

run_server(Sandbox(), port=0, ready=ready)
"""


def test_the_server_runs_on_asyncio_also_if_the_program_has_chosen_uvloop() -> None:
    """On uvloop, a server may never end after a Ctrl-C at certain moments."""
    ended = run_program(_BESIDE_UVLOOP)
    assert (ended.stdout, ended.stderr) == ("False\n", "")


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen at 127.0.0.1 port {port}"):
            run_server(Sandbox(), port=port, ready=print)


def test_a_port_out_of_range_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="a port is a number from 0 to 65535, not 99999"):
        run_server(Sandbox(), port=99999, ready=print)


def _interrupt(url: str) -> None:
    urls.append(url)
    raise KeyboardInterrupt


urls: list[str] = []


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")],  # noqa: S104 - on purpose
)
def test_the_base_url_is_one_that_clients_on_this_machine_can_use(host: str, url: str) -> None:
    if ":" in host and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    run_server(Sandbox(), host=host, port=0, ready=_interrupt)
    assert urls.pop().startswith(f"http://{url}:")


def test_without_dual_stack_the_base_url_is_that_of_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    run_server(Sandbox(), host="::", port=0, ready=_interrupt)
    assert urls.pop().startswith("http://[::1]:")


def own_address() -> str:
    """Return the address of this machine in its network. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe.getsockname()[0])


def test_at_an_address_of_the_network_it_also_listens_at_the_loopback_address() -> None:
    host, statuses = own_address(), list[int]()

    def connect(url: str) -> None:
        assert url.startswith("http://127.0.0.1:")
        for address in (host, "127.0.0.1"):
            statuses.append(httpx.get(f"{url.replace('127.0.0.1', address)}/users/me", trust_env=False).status_code)

    run_server(Sandbox(), host=host, port=0, ready=_until_done(connect))
    assert statuses == [401, 401]


def _until_done(work: Callable[[str], object]) -> Callable[[str], None]:
    """Return a callback that does the work in a thread and then ends the server."""

    def run(url: str) -> None:
        try:
            work(url)
        finally:
            signal.raise_signal(signal.SIGINT)

    return lambda url: threading.Thread(target=run, args=(url,)).start()


def test_if_the_loopback_port_is_taken_only_the_network_address_is_used() -> None:
    host = own_address()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run_server(Sandbox(), host=host, port=taken.getsockname()[1], ready=_interrupt)
    assert urls.pop().startswith(f"http://{host}:")


def test_each_request_is_passed_to_a_function() -> None:
    sandbox, calls = Sandbox(), list[str]()

    ready = _until_done(lambda url: httpx.get(f"{url}/users/me"))
    run_server(sandbox, port=0, ready=ready, on_request=lambda call: calls.append(f"{call.path} {call.status}"))
    assert calls == ["/users/me 401"]


def test_small_responses_are_sent_at_once() -> None:
    """With Nagle's algorithm, a request on an open connection takes 44 ms."""
    sandbox = Sandbox()
    with sandbox.serve() as url, httpx.Client() as http:
        http.get(f"{url}/users/me")
        fastest = min(_seconds(lambda: http.get(f"{url}/users/me")) for _ in range(20))
    assert fastest < 0.03


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
