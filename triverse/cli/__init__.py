"""The `triverse` command.

| exit status | meaning |
|---|---|
| 0 | fine |
| 1 | the API said no, or answered what it does not document |
| 2 | usage or configuration: nothing was sent |
| 3 | a balance is below the threshold of `--below` |
| 4 | the network: no answer came |
| 130 | interrupted by Ctrl-C |
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["main"]

# Which command installs a module that is not there.
_INSTALLS: Final = {
    "click": 'pip install "triverse[cli]"',
    "keyring": "pip install keyring",
    "platformdirs": 'pip install "triverse[cli]"',
    "rich": 'pip install "triverse[cli]"',
    "starlette": 'pip install "triverse[sandbox]"',
    "uvicorn": 'pip install "triverse[sandbox]"',
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and give its exit status.

    Args:
        arguments: what stands after `triverse` on the command line; None for what the user typed.
    """
    try:
        from triverse.cli.app import run  # noqa: PLC0415 - it needs the extra, and this must say so where it is missing

        return run(sys.argv[1:] if arguments is None else list(arguments))
    except ModuleNotFoundError as missing:
        module = (missing.name or "").partition(".")[0]
        if module not in _INSTALLS:
            raise
        sys.stderr.write(f"triverse: {module} is not installed: {_INSTALLS[module]}\n")
        return 2
