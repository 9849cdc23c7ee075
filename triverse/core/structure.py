"""From parsed JSON to result classes, strictly: nothing is coerced, and an error names the path.

cattrs is lax by default (`null` becomes `'None'`, `True` becomes `1.0`, a string becomes a list of its letters); every
kind of value that JSON can hold is checked here before cattrs sees it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, cast, get_args, is_typeddict
from uuid import UUID

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_any_set,  # pyright: ignore[reportUnknownVariableType]  # cattrs leaves its argument untyped
    is_frozenset,
    is_mapping,
    is_mutable_sequence,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]  # as above
)
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)
from cattrs.gen import make_dict_structure_fn

from triverse.core.errors import ConfigurationError

__all__ = ["MismatchError", "Result", "field_of", "structurer"]

T = TypeVar("T")

_EXTRA: Final = "_extra"


@frozen(kw_only=True)
class Result:
    """What the service sent, as an immutable value."""

    _extra: Mapping[str, object] = field(factory=dict[str, object], eq=False, repr=False)

    @property
    def extra(self) -> Mapping[str, object]:
        """Fields that the service sent and this version does not know. Read-only; not part of `==`."""
        return MappingProxyType(dict(self._extra))


class MismatchError(Exception):
    """A value is not of the documented type."""

    path: str
    args: tuple[object, ...]

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"expected {expected}, got {_named(value)}")
        self.path = ""

    def at(self, path: str) -> MismatchError:
        """The same mismatch, with where it is."""
        self.path = path
        self.args = (f"{path}: {self}",)
        return self


class MissingError(MismatchError):
    """A field is not there."""

    def __init__(self) -> None:
        Exception.__init__(self, "missing")
        self.path = ""


def field_of(value: object, name: str, kind: type[T]) -> T:
    """One field of a JSON object.

    Raises:
        MismatchError: not an object, not there, or not of this kind.
    """
    fields = structurer(dict[str, object])(value, "body")
    if name not in fields:
        raise MissingError().at(name)
    return structurer(kind)(fields[name], name)


def structurer(into: type[T]) -> Callable[[object, str], T]:
    """The function that turns parsed JSON into this type. It takes the value and what to call it in errors.

    Raises:
        ConfigurationError: no JSON could become this type.
    """
    return cast("Callable[[object, str], T]", _structurer(cast("Hashable", into)))


@cache
def _structurer(into: Hashable) -> Callable[[object, str], object]:
    try:
        hook = _converter.get_structure_hook(into)
    except StructureHandlerNotFoundError as error:
        message = f"into={into!r}: JSON cannot become this type"
        raise ConfigurationError(message) from error

    def structure(value: object, name: str) -> object:
        try:
            structured: object = hook(value, into)
        except Exception as error:  # noqa: BLE001 - hooks of foreign types fail in any way they like
            raise next(_mismatches(error, name)) from None
        return structured

    return structure


def _mismatches(error: BaseException, path: str) -> Iterator[MismatchError]:
    """Each fault in the tree of errors that cattrs raises, as one error with its path."""
    if isinstance(error, BaseValidationError):
        for child in error.exceptions:
            yield from _mismatches(child, path + _step(child))
    elif isinstance(error, MismatchError):
        yield error.at(path)
    elif isinstance(error, KeyError):
        yield MissingError().at(path)
    else:
        yield MismatchError("a valid value", type(error)).at(path)


def _step(error: BaseException) -> str:
    """How to get from the parent to the value at fault: `.name` or `[index]`."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]"
    return ""


# --- What JSON can hold --------------------------------------------------------------------------


def _named(value: object) -> str:
    """What a value is, in the words of JSON. Never the value of a string, which may be private."""
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else _number_named(value)
    for kind, name in ((str, "a string"), (dict, "an object"), (list, "an array")):
        if isinstance(value, kind):
            return name
    return "something else"


def _number_named(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity"
    return f"the number {value}" if abs(value) < 1e15 else "a huge number"  # noqa: PLR2004 - legible


def _to_float(value: object, _type: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MismatchError("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise MismatchError("a finite number", value)
    return number


def _to_int(value: object, _type: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MismatchError("a whole number", value)
    return value


def _to_bool(value: object, _type: object) -> bool:
    if not isinstance(value, bool):
        raise MismatchError("true or false", value)
    return value


def _to_str(value: object, _type: object) -> str:
    if not isinstance(value, str):
        raise MismatchError("a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        expected = "text that UTF-8 can hold"
        raise MismatchError(expected, value) from None
    return value


def _to_uuid(value: object, _type: object) -> UUID:
    try:
        uuid = UUID(_to_str(value, str))
    except ValueError:
        uuid = None
    # UUID() also takes braces, URNs and misplaced hyphens.
    if uuid is None or str(uuid) != str(value).lower():
        expected = "a UUID"
        raise MismatchError(expected, value)
    return uuid


def _to_bytes(value: object, _type: object) -> NoReturn:
    expected = "bytes, which JSON cannot hold"
    raise MismatchError(expected, value)


Hook: TypeAlias = Callable[[Any, Any], Any]  # Any: what cattrs itself says of a hook


def _only(kind: type, expected: str, hook: Hook) -> Hook:
    """The hook, for values of this kind alone."""

    def structure(value: object, into: object) -> object:
        if type(value) is not kind:
            raise MismatchError(expected, value)
        return hook(value, into)

    return structure


def _object_hook(cls: type[Any], converter: Converter) -> Hook:
    """An attrs class or a dataclass. A `Result` also keeps the fields that it does not know."""
    fill = make_dict_structure_fn(cls, converter)
    if not issubclass(cls, Result):
        return _only(dict, "an object", fill)
    known = frozenset(attribute.name for attribute in attrs.fields(cls)) - {_EXTRA}

    def structure(value: dict[str, object], into: object) -> object:
        data: dict[str, object] = {name: value[name] for name in value if name in known}
        data[_EXTRA] = {name: value[name] for name in value if name not in known}
        return fill(data, into)

    return _only(dict, "an object", structure)


def _mapping_hook(into: type[Any], converter: Converter) -> Hook:
    return _only(dict, "an object", mapping_structure_factory(into, converter))


def _list_hook(into: type[Any], converter: Converter) -> Hook:
    return _only(list, "an array", list_structure_factory(into, converter))


def _tuple_hook(into: type[Any], converter: Converter) -> Hook:
    return _only(list, "an array", homogenous_tuple_structure_factory(into, converter))


def _set_hook(into: type[Any], converter: Converter) -> Hook:
    (element,) = get_args(into) or (object,)
    elements = converter.get_structure_hook(list[element])  # type: ignore[valid-type]  # made at run time
    kind: type[Any] = frozenset if is_frozenset(into) else set
    return lambda value, _into: kind(elements(value, list))


def _has_fields(into: type[Any]) -> bool:
    return attrs.has(into) or dataclasses.is_dataclass(into)


def _is_plain_mapping(into: type[Any]) -> bool:
    return is_mapping(into) and not is_typeddict(into)


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    scalars: dict[type, Hook] = {
        bool: _to_bool,
        bytes: _to_bytes,
        float: _to_float,
        int: _to_int,
        str: _to_str,
        UUID: _to_uuid,
    }
    for kind, hook in scalars.items():
        converter.register_structure_hook(kind, hook)
    # By predicate, since a hook for the class `object` would be one for its subclasses, too.
    converter.register_structure_hook_func(lambda into: into is object, lambda value, _into: value)
    # The last factory to say yes is the one that is asked.
    converter.register_structure_hook_factory(_has_fields, _object_hook)
    converter.register_structure_hook_factory(_is_plain_mapping, _mapping_hook)
    converter.register_structure_hook_factory(is_any_set, _set_hook)  # pyright: ignore[reportUnknownArgumentType]  # as above
    converter.register_structure_hook_factory(is_sequence, _tuple_hook)
    converter.register_structure_hook_factory(is_mutable_sequence, _list_hook)
    return converter


_converter: Final = _make_converter()
