"""What `triverse doctor` finds, and how it reads."""

from __future__ import annotations

import shutil
import sys
import textwrap
from enum import Enum
from typing import Final

from attrs import frozen

from triverse.cli.exit_codes import FINE, printable

__all__ = ["Finding", "Mark", "failed", "fine", "noted", "shown"]

_NAME_WIDTH: Final = 20
_NARROW: Final = 64


class Mark(Enum):
    """How a check came out."""

    FINE = "ok"
    NOTE = "note"
    FAILED = "FAIL"


@frozen
class Finding:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        mark: how it came out.
        said: what was seen.
        advice: the cause and what to do, where something is wrong.
        status: the exit status that this stands for.
        seconds: how long it took; None where that says nothing.
    """

    name: str
    mark: Mark
    said: str
    advice: str = ""
    status: int = FINE
    seconds: float | None = None


def fine(name: str, said: str, seconds: float | None = None) -> Finding:
    """All is well."""
    return Finding(name, Mark.FINE, said, seconds=seconds)


def noted(name: str, said: str, advice: str = "", seconds: float | None = None) -> Finding:
    """Nothing failed, but it is worth knowing."""
    return Finding(name, Mark.NOTE, said, advice, seconds=seconds)


def failed(name: str, said: object, advice: str, status: int, seconds: float | None = None) -> Finding:
    """This is why calls do not work."""
    return Finding(name, Mark.FAILED, str(said), advice, status, seconds)


def shown(finding: Finding) -> str:
    """The finding as text: one line in a pipe, wrapped to the width of a terminal."""
    took = "" if finding.seconds is None else f" ({finding.seconds * 1000:.0f} ms)"
    head, said = f"{finding.mark.value:4}  {finding.name:{_NAME_WIDTH}}", f"{printable(finding.said)}{took}"
    if not sys.stdout.isatty():
        return f"{head}  {said}"
    width = shutil.get_terminal_size().columns
    if width < _NARROW:
        return f"{head.rstrip()}\n{textwrap.fill(said, width, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}"
    return textwrap.fill(f"{head}  {said}", width, subsequent_indent=" " * (len(head) + 2))
