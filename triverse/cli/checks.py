"""The result of a check of `triverse doctor`, and how it is printed."""

from __future__ import annotations

import shutil
import sys
import textwrap
from enum import Enum
from typing import Final

from attrs import frozen

from triverse.cli.output import OK, is_terminal, printable, with_full_stop

__all__ = ["CheckResult", "CheckStatus", "failed", "format_result", "noted", "passed", "sentence", "to_json"]

_NAME_WIDTH: Final = 20
_NARROW: Final = 64


class CheckStatus(Enum):
    """How a check ended."""

    PASSED = "ok"
    NOTE = "note"
    FAILED = "FAIL"


@frozen
class CheckResult:
    """The result of one check.

    Attributes:
        name: what was checked.
        status: how the check ended.
        detail: what was found.
        advice: the cause and what to do; empty if nothing is wrong.
        exit_status: the exit status that a failed check leads to.
        seconds: how long it took; None for a check that takes no time worth showing.
    """

    name: str
    status: CheckStatus
    detail: str
    advice: str = ""
    exit_status: int = OK
    seconds: float | None = None


def passed(name: str, detail: str, seconds: float | None = None) -> CheckResult:
    """Nothing is wrong."""
    return CheckResult(name, CheckStatus.PASSED, detail, seconds=seconds)


def noted(name: str, detail: str, advice: str = "", seconds: float | None = None) -> CheckResult:
    """Nothing failed, but it is worth knowing."""
    return CheckResult(name, CheckStatus.NOTE, detail, advice, seconds=seconds)


def failed(name: str, detail: object, advice: str, exit_status: int, seconds: float | None = None) -> CheckResult:
    """This is a reason why calls do not work."""
    return CheckResult(name, CheckStatus.FAILED, str(detail), advice, exit_status, seconds)


def sentence(error: object) -> str:
    """The text of an error as a sentence: with a capital letter, and a full stop at its end."""
    text = with_full_stop(str(error))
    return f"{text[:1].upper()}{text[1:]}"


def to_json(result: CheckResult) -> dict[str, object]:
    """The JSON object of a result."""
    found: dict[str, object] = {
        "name": result.name,
        "status": result.status.value.lower(),
        "detail": printable(result.detail),
        "advice": result.advice or None,
        "seconds": None if result.seconds is None else round(result.seconds, 4),
    }
    return {name: value for name, value in found.items() if value is not None}


def format_result(result: CheckResult) -> str:
    """The result as text: one line in a pipe, wrapped to the width of a terminal."""
    took = "" if result.seconds is None else f" ({result.seconds * 1000:.0f} ms)"
    head, detail = f"{result.status.value:4}  {result.name:{_NAME_WIDTH}}", f"{printable(result.detail)}{took}"
    if not is_terminal(sys.stdout):
        return f"{head}  {detail}"
    width = shutil.get_terminal_size().columns
    if width < _NARROW:
        return f"{head.rstrip()}\n{textwrap.fill(detail, width, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}"
    return textwrap.fill(f"{head}  {detail}", width, subsequent_indent=" " * (len(head) + 2))
