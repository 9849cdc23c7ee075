"""A callback may fork. The child has no part in the transfer of its parent."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.clients import KEY
from support.file_server import accepted, file_response, serving_files
from support.files import PNG, glb

from triverse import ConfigurationError, Progress, Triverse

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
# Larger than the buffers of sockets.
FILE = glb(4_000_000)
IMAGE = PNG + bytes(4_000_000)


def fork_during(transfer: Callable[[Callable[[Progress], None]], object]) -> None:
    """Run a transfer whose callback forks. The child goes on with it first, and must be refused."""
    parent, statuses = os.getpid(), list[int]()

    def fork(_: Progress) -> None:
        if os.getpid() == parent and not statuses:
            child = os.fork()
            if child:
                statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    try:
        transfer(fork)
    except ConfigurationError as error:
        if os.getpid() != parent and "begun in another process, from which this one was forked" in str(error):
            os._exit(0)
        raise
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert statuses == [0]


def test_a_child_leaves_the_file_of_its_parents_download(tmp_path: Path) -> None:
    with (
        serving_files(lambda got: file_response(FILE, got)) as server,
        Triverse(KEY, base_url=server.url, max_retries=0) as client,
    ):
        fork_during(lambda fork: client.tasks.download(TASK, tmp_path / "x.glb", on_progress=fork))
    assert [path.name for path in tmp_path.iterdir()] == ["x.glb"]
    assert (tmp_path / "x.glb").read_bytes() == FILE


@pytest.mark.parametrize("size", [100, len(IMAGE)])
def test_a_child_sends_nothing_on_the_connection_of_its_parents_upload(size: int) -> None:
    with serving_files(accepted) as server, Triverse(KEY, base_url=server.url, max_retries=0) as client:
        fork_during(lambda fork: client.uploads.image(IMAGE[:size], on_progress=fork))
    (got,) = server.requests
    assert IMAGE[:64] in got.body
    assert got.size > size
