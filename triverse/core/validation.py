"""Check decoded JSON values: accept each as it is, or report what was expected and where."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, cast
from uuid import UUID

__all__ = [
    "MAX_DEPTH",
    "MismatchError",
    "check_bool",
    "check_extra",
    "check_float",
    "check_int",
    "check_json",
    "check_null",
    "check_str",
    "check_uuid",
    "is_deeper",
    "path_segment",
]

MAX_DEPTH: Final = 100
"""Levels that a field may have. Python's parser accepts more than its recursion limit allows other code to visit."""

_NAMES: Final[Mapping[type, str]] = {str: "a string", dict: "an object", list: "an array", type(None): "null"}


class MismatchError(Exception):
    """A value is not of the documented type.

    Attributes:
        problem: what was expected, and what the value is.
        path: the place of the value, such as `data.balance`, as far as it is known yet.
    """

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem = problem
        self.path = path

    @classmethod
    def of(cls, expected: str, value: object, path: str = "") -> MismatchError:
        """Return the error for a value of another type."""
        return cls(f"expected {expected}, got {_json_type_name(value)}", path)

    def below(self, path: str) -> MismatchError:
        """Return the same error of a value that is part of the one at this path."""
        return MismatchError(self.problem, path + self.path)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def path_segment(key: object) -> str:
    """Return the part of a path that leads to a member: `.name` or `[index]`."""
    return f"[{key}]" if isinstance(key, int) else f".{key}"


def _json_type_name(value: object) -> str:
    """Return the type of a value in JSON's terms. Never the text of a string, which may be private."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_named(value)
    return _NAMES[type(value)]


def _number_named(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity"
    return f"the number {value}" if abs(value) < 1e15 else "a huge number"  # noqa: PLR2004 - legible


def check_float(value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MismatchError.of("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise MismatchError.of("a finite number", value)
    return number


def check_int(value: object) -> int:
    """Return a number that is written without a fraction."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise MismatchError.of("a whole number", value)
    return value


def check_bool(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise MismatchError.of("true or false", value)
    return value


def check_str(value: object) -> str:
    """Return text that UTF-8 can encode."""
    if not isinstance(value, str):
        raise MismatchError.of("a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MismatchError.of("text that UTF-8 can hold", value) from None
    return value


def check_uuid(value: object) -> UUID:
    """Return a UUID. `UUID()` alone also accepts braces, URNs and misplaced hyphens."""
    text = check_str(value)
    try:
        uuid = UUID(text)
    except ValueError:
        uuid = None
    if uuid is None or str(uuid) != text.lower():
        raise MismatchError.of("a UUID", value)
    return uuid


def check_null(value: object) -> None:
    """Return None for null."""
    if value is not None:
        raise MismatchError.of("null", value)


def check_json(value: object) -> object:
    """Return any JSON value. Python's parser also accepts NaN and Infinity, which are refused here."""
    if isinstance(value, float):
        check_float(value)
    for key, member in _members(value):
        try:
            check_json(member)
        except MismatchError as error:
            error.path = path_segment(key) + error.path
            raise
    return value


def check_extra(fields: dict[str, object]) -> object:
    """Return fields of any JSON value that is not nested so deep that it could not be converted again."""
    for name, value in fields.items():
        if is_deeper(value, MAX_DEPTH):
            raise MismatchError(f"nested more than {MAX_DEPTH} levels deep", path_segment(name))
    return check_json(fields)


def is_deeper(value: object, levels: int) -> bool:
    """Whether a JSON value has more levels of objects and arrays."""
    if isinstance(value, dict):
        value = list(cast("dict[str, object]", value).values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(is_deeper(member, levels - 1) for member in cast("list[object]", value))


def _members(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, dict):
        return cast("dict[object, object]", value).items()
    return enumerate(cast("list[object]", value)) if isinstance(value, list) else ()
