"""The services of the Docker page, run as programs: Docker itself is not available in the test suite."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from subprocess import PIPE, run

import yaml
from support.markdown_snippets import ROOT
from support.shell import environment, start

PAGE = (ROOT / "docs" / "cookbook" / "docker.md").read_text(encoding="utf-8")


def file(title: str) -> str:
    """Return the block of the page that has this title."""
    block = re.search(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    return block[1]


def test_the_program_reads_the_balance_from_the_sandbox_of_the_compose_file(tmp_path: Path) -> None:
    services = yaml.safe_load(file("compose.yaml"))["services"]
    (tmp_path / "accounts.toml").write_text(file("accounts.toml"), encoding="utf-8")
    command = services["sandbox"]["command"].replace("/accounts.toml", str(tmp_path / "accounts.toml"))
    program, *arguments = shlex.split(command)
    assert program == "triverse"
    arguments[arguments.index("--port") + 1] = "0"

    sandbox = start(*arguments)
    try:
        assert sandbox.stdout is not None
        port = ""
        while not port:
            line = sandbox.stdout.readline().decode()
            assert line, "the sandbox ended before it had a port"
            port = "".join(re.findall(r":(\d+)/api/v1", line)[:1])
        # In the network of compose, the sandbox has a name. Here it listens on all addresses of this machine.
        variables = services["app"]["environment"]
        variables["TRIVERSE_BASE_URL"] = variables["TRIVERSE_BASE_URL"].replace("sandbox:8787", f"0.0.0.0:{port}")
        app = run(  # noqa: S603 - the program of the page
            [sys.executable, "-c", file("app.py")], env=environment(**variables), stdout=PIPE, text=True, check=True
        )
    finally:
        sandbox.kill()
        sandbox.wait()
        for stream in (sandbox.stdout, sandbox.stderr):
            assert stream is not None
            stream.close()

    assert app.stdout == "500.0 credits are available\n"
