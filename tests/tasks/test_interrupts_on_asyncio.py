"""Ctrl-C, by a real signal, in a program that runs on asyncio or trio: the traceback that it prints has the id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from attrs import evolve
from support.clients import KEY
from support.file_server import Got, Sent, json_response, serving_files

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
PROGRAM = """
import asyncio, trio
from triverse import AsyncTriverse

async def main():
    async with AsyncTriverse() as client:
        await client.tasks.{call}

{run}
"""


def stall(_: Got) -> Sent:
    return evolve(json_response({"code": 0, "message": "success", "data": {}}), stall=3)


# The last loop neither ends its tasks nor is it closed, so that no note is printed.
@pytest.mark.parametrize(
    "run", ["asyncio.run(main())", "trio.run(main)", "asyncio.new_event_loop().run_until_complete(main())"]
)
@pytest.mark.parametrize(
    ("call", "note"),
    [(f"wait('{TASK}')", f"task {TASK} goes on"), ("text_to_model('a brass helmet')", "client_order_id ")],
)
def test_a_ctrl_c_in_an_async_program_prints_the_id(run: str, call: str, note: str) -> None:
    with serving_files(stall) as server:
        program = subprocess.Popen(  # noqa: S603 - a program of our own
            [sys.executable, "-c", PROGRAM.format(call=call, run=run)],
            env={**os.environ, "TRIVERSE_API_KEY": KEY, "TRIVERSE_BASE_URL": server.url},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert server.received(1, within=60)
        program.send_signal(signal.SIGINT)
        _, printed = program.communicate(timeout=60)
    assert program.returncode == -signal.SIGINT
    assert "run_until_complete" in run or f"triverse: {note}" in printed.replace("a task may have been created (", "")
    assert KEY not in printed
