"""Lenient decoding of an object: a field that is not as documented is set aside, and all others are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias, cast

from triverse.core._read_only import read_only
from triverse.core.validation import MAX_DEPTH, MismatchError, check_float, check_json, check_str, is_deeper

__all__ = [
    "Check",
    "Fields",
    "check_error",
    "check_open_object",
    "check_progress",
    "check_time",
    "decode_fields",
    "log_problems",
]

_logger = logging.getLogger("triverse")

_FULL_PROGRESS: Final = 100

Check: TypeAlias = Callable[[object], object]


class Fields(NamedTuple):
    """The fields of an object.

    Attributes:
        known: fields that are as documented.
        extra: all others, unchanged.
        problems: what is wrong with those of them that have a documented name.
    """

    known: dict[str, object]
    extra: dict[str, object]
    problems: list[MismatchError]

    def arguments(self) -> dict[str, Any]:  # Any: each field was checked by its own function
        """Return the arguments for the constructor of a result class."""
        return {**self.known, "extra": self.extra}


def decode_fields(value: object, required: Mapping[str, Check], optional: Mapping[str, Check]) -> Fields:
    """Check each field of an object by the function of its name. Optional fields that are null are left out.

    Raises:
        MismatchError: the value is not an object, or a required field is missing or wrong.
    """
    data = _check_object(value)
    fields = Fields({name: _check_required(data, name, check) for name, check in required.items()}, {}, [])
    for name, member in data.items():
        if name in optional:
            _add_optional(fields, name, member, optional[name])
        elif name not in required:
            _add_extra(fields, name, member)
    return fields


def _check_required(data: Mapping[str, object], name: str, check: Check) -> object:
    if name not in data:
        problem = "missing"
        raise MismatchError(problem, f".{name}")
    try:
        return check(data[name])
    except MismatchError as error:
        raise error.below(f".{name}") from None


def _add_optional(fields: Fields, name: str, value: object, check: Check) -> None:
    if value is None:
        return
    try:
        fields.known[name] = check(value)
    except Exception as error:  # noqa: BLE001 - a RecursionError, too: no field may cost the whole object
        problem = error.problem if isinstance(error, MismatchError) else "not a valid value"
        place = error.path if isinstance(error, MismatchError) else ""
        fields.problems.append(MismatchError(problem, f".{name}{place}"))
        _add_extra(fields, name, value)


def _add_extra(fields: Fields, name: str, value: object) -> None:
    if is_deeper(value, MAX_DEPTH):
        _logger.warning("The field %s of a response is nested more than %d levels deep, and left out", name, MAX_DEPTH)
    else:
        fields.extra[name] = value


def log_problems(what: str, problems: list[MismatchError], warned: set[str] | None) -> None:
    """Log one warning for each field with a problem, unless it was warned about before."""
    for problem in problems:
        if warned is None or problem.path not in warned:
            text = "%s: the field %s has an unexpected value (%s). It is None here, and the value is in .extra"
            _logger.warning(text, what, problem.path[1:], problem.problem)
        if warned is not None:
            warned.add(problem.path)


def _check_object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise MismatchError.of("an object", value)
    return cast("dict[str, object]", value)


def check_open_object(value: object) -> object:
    """Any object."""
    if is_deeper(value, MAX_DEPTH):
        raise MismatchError.of(f"at most {MAX_DEPTH} levels", value)
    return read_only(check_json(_check_object(value)))


def check_error(value: object) -> object:
    """An object, or text: the service's documentation has had both."""
    if isinstance(value, str):
        return check_str(value)
    if not isinstance(value, dict):
        raise MismatchError.of("an object or a string", value)
    return check_open_object(cast("object", value))


def check_progress(value: object) -> float:
    """A number from 0 to 100."""
    progress = check_float(value)
    if not 0 <= progress <= _FULL_PROGRESS:
        raise MismatchError.of("a number from 0 to 100", value)
    return progress


def check_time(value: object) -> datetime:
    """A time in ISO 8601; one without a zone is in UTC."""
    text = check_str(value)
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MismatchError.of("a time such as 2026-05-27T12:39:48Z", value) from None
