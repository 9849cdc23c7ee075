"""Convert Python values to plain JSON values: dict, list, str, int, float, bool and None.

A request body is converted before it is sent. An error can then name the path of the value that JSON cannot hold, where
`json.dumps` only names its type, and nothing is sent that other parsers read differently: NaN, Infinity, huge numbers,
names that are not text.
"""

from __future__ import annotations

import math
from collections import UserString
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, NoReturn, TypeVar, cast

from triverse.core.errors import ConfigurationError
from triverse.core.text import fits_utf8
from triverse.core.validation import MAX_DEPTH

__all__ = ["to_plain_json"]

T = TypeVar("T")

# Parsers of other languages stop at 64 levels (.NET) or 100 (Ruby) by default.
_MAX_DEPTH: Final = 100
# A double has no more. Parsers that read numbers as doubles make Infinity of a larger one.
_MAX_INT_BITS: Final = 1024
_BINARY: Final = (bytes, bytearray, memoryview)


class _RefusedError(Exception):
    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.path = ""


def to_plain_json(
    value: object,
    name: str = "json",
    *,
    convert: Callable[[object], object] | None = None,
    received: bool = False,
) -> object:
    """Return the value as plain JSON values.

    Every Mapping becomes a dict, every Sequence a list, and an enumeration its value.

    Args:
        value: what to convert.
        name: how an error refers to it.
        convert: is called with a value of any other type. It returns a value that JSON can hold, or the same object if
            there is none.
        received: whether it came from a server, which may have sent what JSON does not allow. NaN and Infinity then
            become None, half a surrogate pair becomes a question mark, and numbers of any size are kept.

    Raises:
        ConfigurationError: JSON cannot hold the value. The message contains the path of the part at fault.
    """
    converter = _ReceivedConverter(convert) if received else _Converter(convert)
    try:
        return converter.plain(value)
    except _RefusedError as error:
        message = f"{name}{error.path} cannot be sent as JSON: {error.problem}"
    raise ConfigurationError(message)


def _refuse(problem: str) -> NoReturn:
    raise _RefusedError(problem)


class _Converter:
    max_depth = _MAX_DEPTH

    def __init__(self, convert: Callable[[object], object] | None) -> None:
        self._convert = convert
        # The objects and arrays around the value that is being converted, by identity.
        self._around: set[int] = set()

    def plain(self, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value)
        if isinstance(value, (str, UserString)):
            return self.text(value)
        if isinstance(value, (int, float)):
            return self.number(value)
        return self._container(value)

    def text(self, value: str | UserString) -> str:
        text = _str(value)
        if not fits_utf8(text):
            _refuse("the text contains a lone surrogate, which UTF-8 cannot encode")
        return text

    def number(self, value: float) -> float | None:
        if isinstance(value, int):
            if value.bit_length() > _MAX_INT_BITS:
                _refuse("the number is too large")
            return int(value)
        if not math.isfinite(value):
            _refuse("NaN and Infinity are no JSON numbers")
        return float(value)

    def _container(self, value: object) -> object:
        other = value
        if isinstance(value, Mapping):
            members = cast("Mapping[object, object]", value)
            return self._inside(members, self._object, members)
        if isinstance(value, Sequence) and not isinstance(value, _BINARY):
            elements = cast("Sequence[object]", value)
            return self._inside(elements, self._array, elements)
        return self._other(other)

    def _other(self, value: object) -> object:
        converted = value if self._convert is None else self._convert(value)
        if converted is value:
            _refuse(f"JSON has no form for the type {type(value).__name__}")
        return self._inside(value, self.plain, converted)

    def _inside(self, container: object, convert: Callable[[T], object], value: T) -> object:
        if id(container) in self._around:
            _refuse("it contains itself")
        if len(self._around) == self.max_depth:
            _refuse(f"it is nested more than {self.max_depth} levels deep")
        self._around.add(id(container))
        try:
            return convert(value)
        except RecursionError:
            _refuse("it is nested too deep for what is left of Python's stack")
        finally:
            self._around.discard(id(container))

    def _object(self, value: Mapping[object, object]) -> dict[str, object]:
        plain: dict[str, object] = {}
        for key, member in _read(value.items()):
            if not isinstance(key, (str, Enum)) or not isinstance(name := self.plain(key), str):
                _refuse(f"an object has a name of type {type(key).__name__}, and JSON only allows text")
            plain[name] = self._member(member, f".{name}")
        return plain

    def _array(self, value: Sequence[object]) -> list[object]:
        return [self._member(member, f"[{index}]") for index, member in enumerate(_read(value))]

    def _member(self, value: object, step: str) -> object:
        try:
            return self.plain(value)
        except _RefusedError as error:
            error.path = step + error.path
            raise


class _ReceivedConverter(_Converter):
    # Fields of a response have up to MAX_DEPTH levels. Those of the results that hold them are added.
    max_depth = MAX_DEPTH + 10

    def text(self, value: str | UserString) -> str:
        return _str(value).encode("utf-8", "replace").decode()

    def number(self, value: float) -> float | None:
        if isinstance(value, int):
            return int(value)
        return float(value) if math.isfinite(value) else None


def _str(value: str | UserString) -> str:
    return str.__str__(value) if isinstance(value, str) else value.data


def _read(members: Iterable[T]) -> list[T]:
    try:
        return list(members)
    except Exception as error:  # noqa: BLE001 - collections of other libraries fail in any way they like
        _refuse(f"its members cannot be read ({type(error).__name__})")
