"""A value that is not what was documented: what is wrong with it, and where it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from cattrs.errors import AttributeValidationNote, BaseValidationError

__all__ = ["EXTRA", "MismatchError", "mismatch", "step"]

# The field of a result class that holds what the class does not know; no step of any path.
EXTRA: Final = "_extra"

_NAMES: Final[Mapping[type, str]] = {str: "a string", dict: "an object", list: "an array", type(None): "null"}


class MismatchError(Exception):
    """A value is not of the documented type.

    Attributes:
        problem: what is wrong with it.
        path: where it is, such as `data.balance`, as far as is known yet.
    """

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem = problem
        self.path = path

    @classmethod
    def of(cls, expected: str, value: object, path: str = "") -> MismatchError:
        """For a value that is something else."""
        return cls(f"expected {expected}, got {_named(value)}", path)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def mismatch(error: Exception, path: str) -> MismatchError:
    """Whatever a hook raised, as one mismatch below this path. Of several, the first."""
    while isinstance(error, BaseValidationError):
        error = error.exceptions[0]
        path += _attribute_step(error)
    if isinstance(error, MismatchError):
        return MismatchError(error.problem, path + error.path)
    if isinstance(error, KeyError):
        return MismatchError("missing", path)
    return MismatchError(f"not a valid value ({type(error).__name__})", path)


def _attribute_step(error: Exception) -> str:
    notes: list[object] = getattr(error, "__notes__", [])
    names = [note.name for note in notes if isinstance(note, AttributeValidationNote)]
    return step(names[0]) if names and names[0] != EXTRA else ""


def step(key: object) -> str:
    """How to get from an object or an array to what it holds: `.name` or `[index]`."""
    return f"[{key}]" if isinstance(key, int) else f".{key}"


def _named(value: object) -> str:
    """What a value is, in the words of JSON. Never the value of a string, which may be private."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_named(value)
    return _NAMES[type(value)]


def _number_named(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity"
    return f"the number {value}" if abs(value) < 1e15 else "a huge number"  # noqa: PLR2004 - legible
