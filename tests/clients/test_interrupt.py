"""Ctrl-C, by a real signal: it passes through untouched, and the client works on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
from support.server import BALANCE, Server, answer, envelope
from triverse import Triverse

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def on_the_wire(peer, received):
    interrupt()
    peer.pause()

def in_the_backoff(peer, received):
    peer.send(answer(b"", 503, {"Retry-After": "20"}))
    threading.Timer(0.3, interrupt).start()

first = {"wire": on_the_wire, "backoff": in_the_backoff}[sys.argv[2]]

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


@pytest.mark.parametrize("where", ["wire", "backoff"])
def test_ctrl_c_ends_the_call_and_leaves_the_client_whole(where: str) -> None:
    run = subprocess.run(  # noqa: S603 - a program of ours
        [sys.executable, "-W", "error", "-c", _PROGRAM, str(Path(__file__).parents[1]), where],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.stdout.splitlines() == ["KeyboardInterrupt None", "125.0 2", "True"]
    assert "Traceback" not in run.stderr
