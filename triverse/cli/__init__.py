"""The `triverse` command.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | the API returned an error, or a response that is not documented; or the output could not be written |
| 2 | wrong usage or configuration: nothing was sent |
| 3 | a balance is below the threshold of `--below` |
| 4 | the network: no response came |
| 5 | the task failed or was cancelled |
| 6 | the time of `--timeout` ran out; the task goes on |
| 7 | the input was refused: the prompt, a file or a parameter |
| 130 | interrupted by Ctrl-C |
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Final

from triverse._extras import MODULES_OF, install_command

__all__ = ["main", "missing_module"]

# The command that installs a module.
_INSTALLS: Final = {"keyring": "pip install keyring"} | {
    module: install_command(extra) for extra in ("cli", "sandbox") for module in MODULES_OF[extra]
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        arguments: the words after `triverse` on the command line; None for `sys.argv`.
    """
    _open_closed_streams()
    try:
        from triverse.cli.app import run  # noqa: PLC0415 - without the extra, this is the place to explain it

        return run(sys.argv[1:] if arguments is None else list(arguments))
    except ModuleNotFoundError as missing:
        message = missing_module(missing)
        if message is None:
            raise
        if "--json" in (sys.argv if arguments is None else arguments):
            error = {"type": "ModuleNotFoundError", "message": message, "exit_status": 2}
            sys.stdout.write(f"{json.dumps({'error': error})}\n")
        else:
            sys.stderr.write(f"triverse: {message}\n")
        return 2


def missing_module(error: ModuleNotFoundError) -> str | None:
    """Which module a command needs, and the command that installs it. None for a module of no extra."""
    module = (error.name or "").partition(".")[0]
    return f"{module} is not installed: {_INSTALLS[module]}" if module in _INSTALLS else None


def _open_closed_streams() -> None:
    """Open streams that are closed, so that the next socket does not get the number of one.

    Python has None in their place. What is written to standard output must not be lost without an error, so that one
    is opened for reading, and the first write fails. Errors have nowhere to go if standard error is closed.
    """
    for name, mode, flags in (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
