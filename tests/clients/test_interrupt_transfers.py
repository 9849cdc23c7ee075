"""Ctrl-C, by real signals, in single calls and transfers: the client works afterwards, and no file is left behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Generator
from itertools import count
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from support.clients import KEY
from support.file_server import FileServer, Got, serving_files
from support.files import PNG
from support.finished_task import MODEL, TASK, serve
from support.internals import watched_calls
from support.interrupts import interrupt_after_line

from triverse import Triverse

Operation: TypeAlias = Callable[[Triverse, Path], object]


def respond(request: httpx.Request) -> httpx.Response:
    sent = serve(Got(request.method, str(request.url), dict(request.headers), body=request.read()))
    return httpx.Response(sent.status, headers=sent.headers, content=sent.body)


def stream(client: Triverse, _: Path) -> None:
    with client.tasks.stream(TASK) as download:
        assert b"".join(download) == MODEL


OPERATIONS: dict[str, Operation] = {
    "balance": lambda client, _: client.users.balance(),
    "balance(max_age=0)": lambda client, _: client.users.balance(max_age=0),
    "get": lambda client, _: client.tasks.get(TASK),
    "create": lambda client, _: client.tasks.text_to_model("a brass helmet"),
    "wait": lambda client, _: client.tasks.wait(TASK, timeout=10),
    "upload": lambda client, _: client.uploads.image(PNG, timeout=10),
    "download": lambda client, path: client.tasks.download(TASK, path, overwrite=True, timeout=10),
    "stream": stream,
}


@pytest.fixture
def server() -> Generator[FileServer]:
    with serving_files(serve) as server:
        yield server


@pytest.fixture(params=["own connections", "http_client"])
def client(request: pytest.FixtureRequest, server: FileServer) -> Generator[Triverse]:
    """The client has one connection at most, so a lost permit would make the next call fail.

    The user's client has a transport without sockets: an interrupt inside of httpcore's own pool can leave it locked.
    """
    own = httpx.Client(transport=httpx.MockTransport(respond)) if request.param == "http_client" else None
    with Triverse(KEY, base_url=server.url, http_client=own, max_connections=1, deadline=10) as client:
        yield client
    if own is not None:
        own.close()


# The sockets that an interrupt inside of the standard library leaves to the garbage collector are collected here.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", OPERATIONS)
def test_ctrl_c_after_any_line_of_a_call_or_transfer_does_no_harm(client: Triverse, name: str, tmp_path: Path) -> None:
    operation, target = OPERATIONS[name], tmp_path / "x.glb"
    operation(client, target)
    for line in count(1):
        # The service takes ten uploads in a minute from each key.
        here = client.with_options(api_key=f"{KEY}-{line}")
        reached = interrupt_after_line(line, lambda: operation(here, target))  # noqa: B023 - called in this iteration only
        assert watched_calls(client) == 0
        operation(here, target)
        assert [path.name for path in tmp_path.iterdir()] in ([], ["x.glb"])
        if not reached:
            break
    gc.collect()


def lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "triverse-name-lookup"]


# An interrupt inside of the standard library leaves a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_ctrl_c_during_the_lookup_of_a_name_leaves_no_thread(server: FileServer) -> None:
    def first_call() -> None:
        with Triverse(KEY, base_url=server.url.replace("127.0.0.1", "localhost"), deadline=10) as client:
            client.users.balance()

    first_call()
    for line in count(1):
        if not interrupt_after_line(line, first_call):
            break
    gc.collect()
    for thread in lookups():
        thread.join(10)
    assert not lookups()
