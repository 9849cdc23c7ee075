"""Each process has one TLS context, even if threads use it and forks happen while it is made."""

from __future__ import annotations

import subprocess
import sys

_FORK_WHILE_A_THREAD_MAKES_IT = """
import os, signal, threading, httpx
from triverse.transport.environment import tls_context

begun, go_on, make = threading.Event(), threading.Event(), httpx.create_ssl_context

def slowly():
    begun.set()
    go_on.wait()
    return make()

httpx.create_ssl_context = slowly
made = []
threads = [threading.Thread(target=lambda: made.append(tls_context("https"))) for _ in range(2)]
for thread in threads:
    thread.start()
begun.wait()
if not (child := os.fork()):
    signal.alarm(10)
    httpx.create_ssl_context = make
    os._exit(0 if tls_context("https") is tls_context("https") else 1)
_, status = os.waitpid(child, 0)
go_on.set()
for thread in threads:
    thread.join()
print(status, len(made), len({id(each) for each in made}))
"""


def test_a_fork_while_threads_make_the_context_leaves_one_to_parent_and_child() -> None:
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _FORK_WHILE_A_THREAD_MAKES_IT], capture_output=True, text=True, check=True, timeout=30
    )
    assert run.stdout.split() == ["0", "2", "1"]
