"""How a command ends: its exit status, and what it says on standard error."""

from __future__ import annotations

import sys
from typing import Final

from triverse.core.errors import ConfigurationError, TransportError, TriverseError

__all__ = ["BELOW", "FINE", "INTERRUPTED", "NETWORK", "REFUSED", "USAGE", "complain", "printable", "status_of"]

FINE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
BELOW: Final = 3
NETWORK: Final = 4
INTERRUPTED: Final = 130


def status_of(error: TriverseError) -> int:
    """The exit status that an error stands for."""
    if isinstance(error, ConfigurationError):
        return USAGE
    return NETWORK if isinstance(error, TransportError) else REFUSED


def printable(text: object) -> str:
    """The text as one line that does nothing to a terminal, since servers and files may hold anything."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))


def complain(problem: object) -> None:
    """Say on standard error, in one line, what went wrong."""
    sys.stdout.flush()
    sys.stderr.write(f"triverse: {printable(problem)}\n")
