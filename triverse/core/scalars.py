"""What JSON can hold, value by value: taken as it is, or refused with words that say why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NoReturn, cast
from uuid import UUID

from triverse.core.mismatch import MismatchError, step

__all__ = ["to_bool", "to_bytes", "to_float", "to_int", "to_json", "to_null", "to_str", "to_uuid"]


def to_float(value: object) -> float:
    """Any finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MismatchError.of("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise MismatchError.of("a finite number", value)
    return number


def to_int(value: object) -> int:
    """A number that is written without a fraction."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise MismatchError.of("a whole number", value)
    return value


def to_bool(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise MismatchError.of("true or false", value)
    return value


def to_str(value: object) -> str:
    """Text that can be printed and sent on."""
    if not isinstance(value, str):
        raise MismatchError.of("a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MismatchError.of("text that UTF-8 can hold", value) from None
    return value


def to_bytes(value: object) -> NoReturn:
    """Never: JSON has no such thing."""
    raise MismatchError.of("bytes, which JSON cannot hold", value)


def to_uuid(value: object) -> UUID:
    """A UUID in its usual form. `UUID()` itself also takes braces, URNs and misplaced hyphens."""
    text = to_str(value)
    try:
        uuid = UUID(text)
    except ValueError:
        uuid = None
    if uuid is None or str(uuid) != text.lower():
        raise MismatchError.of("a UUID", value)
    return uuid


def to_null(value: object) -> None:
    """Nothing."""
    if value is not None:
        raise MismatchError.of("null", value)


def to_json(value: object) -> object:
    """Any value at all, as long as it is JSON: Python's parser also takes NaN and Infinity."""
    if isinstance(value, float):
        to_float(value)
    for key, member in _members(value):
        try:
            to_json(member)
        except MismatchError as error:
            error.path = step(key) + error.path
            raise
    return value


def _members(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, dict):
        return cast("dict[object, object]", value).items()
    return enumerate(cast("list[object]", value)) if isinstance(value, list) else ()
