"""Runs the `triverse` command and other programs, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["COMMAND", "environment", "run", "run_program", "start"]

# The same as the installed script, but it imports the package that the tests import.
_PROGRAM = "from triverse.cli import main; raise SystemExit(main())"
COMMAND = [sys.executable, "-c", _PROGRAM]


def environment(**variables: str) -> dict[str, str]:
    """Return the tests' environment with these variables. Empty values remove a variable."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    merged = {**os.environ, "PYTHONPATH": path, **variables}
    return {name: value for name, value in merged.items() if value}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with these environment variables."""
    return run_program(_PROGRAM, *arguments, **variables)


def run_program(source: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end, with these environment variables."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", source, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def start(*arguments: str, stdout: int = subprocess.PIPE, **variables: str) -> subprocess.Popen[bytes]:
    """Begin a command, with these environment variables."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        env=environment(**variables),
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
