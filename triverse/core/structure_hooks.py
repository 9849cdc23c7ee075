"""Structure hooks for arrays and objects, and what all hooks are made of.

A hook takes a decoded JSON value and the type that it is to become. A factory returns the hook for a type, or raises
an `UnsupportedTypeError`, so that a type is refused before a request is sent. The first error ends the work: a few
megabytes of JSON can contain millions of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import Set as AbstractSet
from itertools import repeat
from typing import Any, Final, TypeAlias, get_args, get_origin

from cattrs import Converter
from cattrs.errors import AttributeValidationNote, BaseValidationError, ClassValidationError

from triverse.core.result import EXTRA_FIELD
from triverse.core.text import safe_repr
from triverse.core.validation import MismatchError, path_segment

__all__ = [
    "COLLECTIONS",
    "Factory",
    "Hook",
    "UnsupportedTypeError",
    "as_mismatch",
    "construct",
    "hook_for",
    "is_bytes",
    "reject_type",
    "require_type",
    "scalar_hook",
    "type_name",
]

Hook: TypeAlias = Callable[[Any, Any], Any]  # Any: cattrs declares hooks like this
Factory: TypeAlias = Callable[[Any, Converter], Hook]

_ARRAYS: Mapping[object, Callable[[list[object]], object]] = {
    list: list,
    MutableSequence: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    MutableSet: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}
_DATES: AbstractSet[object] = {dt.date, dt.datetime, dt.time}
_OBJECTS: AbstractSet[object] = {dict, Mapping, MutableMapping}


class UnsupportedTypeError(TypeError):
    """No JSON value can become this type.

    Attributes:
        refused: the type at fault, then the types around it, innermost first.
        place: the class and the field that has the type.
    """

    def __init__(self, into: object, reason: str = "") -> None:
        self.refused: list[object] = [into]
        self.place: str | None = None
        self._reason = f": {reason}" if reason else ""

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        return f"{place}{type_name(self.refused[0])} is not supported{self._reason}"


def type_name(into: object) -> str:
    """Return the type as one writes it: `datetime.date`, `list[int]`."""
    if not isinstance(into, type):
        return safe_repr(into)
    module = "" if into.__module__ in {"builtins", "__main__"} else f"{into.__module__}."
    return f"{module}{into.__qualname__}"


def reject_type(into: object, _converter: object = None) -> Hook:
    reason = "use str, and convert it with fromisoformat()" if into in _DATES else ""
    raise UnsupportedTypeError(into, reason)


def is_bytes(into: object) -> bool:
    """Return True for bytes and its subclasses, of which cattrs does not ask a factory: it has a hook for them."""
    return isinstance(into, type) and issubclass(into, bytes)


def hook_for(into: object, converter: Converter) -> Hook:
    if is_bytes(into):
        raise UnsupportedTypeError(into)
    try:
        return converter.get_structure_hook(into)
    except RecursionError:
        # The type contains itself, and its hook is not complete yet: look it up when it is called.
        return converter.structure


def require_type(kind: type, expected: str, hook: Hook) -> Hook:
    """Return the hook, restricted to values of this kind."""

    def structure(value: object, into: object) -> object:
        if type(value) is not kind:
            raise MismatchError.of(expected, value)
        return hook(value, into)

    return structure


def scalar_hook(kind: type, check: Callable[[object], object]) -> Hook:
    """Return the hook for a class of scalar values, and for its subclasses, such as an `IntEnum`."""

    def structure(value: object, into: type) -> object:
        checked = check(value)
        return checked if into is kind else construct(into, checked)

    return structure


def construct(cls: type[Any], value: object) -> object:
    """Call a class with a value. An error of the class itself becomes a mismatch."""
    try:
        return cls(value)
    except ValueError:
        raise MismatchError.of(f"a value of {cls.__name__}", value) from None
    except Exception as error:  # noqa: BLE001 - users' classes fail in any way
        raise _invalid(cls.__name__, error) from None


def as_mismatch(error: Exception, path: str) -> MismatchError:
    """Return what a hook raised as one mismatch below this path. Of several errors, the first counts."""
    name, in_field = "value", False
    while isinstance(error, BaseValidationError):
        name = error.cl.__name__ if isinstance(error, ClassValidationError) else "value"
        error = error.exceptions[0]
        field = _field_name(error)
        in_field = field is not None
        path += path_segment(field) if field not in {None, EXTRA_FIELD} else ""
    if isinstance(error, MismatchError):
        return error.below(path)
    # cattrs notes the field whose value it could not get. Without a note, the class itself raised the error.
    if isinstance(error, KeyError) and in_field:
        return MismatchError("missing", path)
    return _invalid("value" if in_field else name, error, path)


def _invalid(name: str, error: Exception, path: str = "") -> MismatchError:
    if isinstance(error, RecursionError):
        return MismatchError("nested too deep", path)
    return MismatchError(f"not a valid {name} ({type(error).__name__})", path)


def _field_name(error: Exception) -> str | None:
    notes: list[object] = getattr(error, "__notes__", [])
    return next((note.name for note in notes if isinstance(note, AttributeValidationNote)), None)


def _structure_members(
    hooks: Iterable[tuple[Hook, object]], keys: Iterable[object], values: Iterable[object]
) -> list[object]:
    structured: list[object] = []
    for (hook, into), key, value in zip(hooks, keys, values, strict=False):
        try:
            structured.append(hook(value, into))
        except Exception as error:  # noqa: BLE001 - users' classes fail in any way
            raise as_mismatch(error, path_segment(key)) from None
    return structured


# --- Arrays and objects --------------------------------------------------------------------------


def _kind(into: object) -> object:
    return get_origin(into) or into


def _is_array(into: object) -> bool:
    return _kind(into) in _ARRAYS


def _array(into: object, converter: Converter) -> Hook:
    make = _ARRAYS[_kind(into)]
    (element, *_) = get_args(into) or (object,)
    hook = hook_for(element, converter)

    def structure(value: list[object], _into: object) -> object:
        return make(_structure_members(repeat((hook, element)), range(len(value)), value))

    return require_type(list, "an array", structure)


def _is_fixed_tuple(into: object) -> bool:
    return get_origin(into) is tuple and get_args(into)[1:] != (...,)


def _fixed_tuple(into: object, converter: Converter) -> Hook:
    hooks = [(hook_for(element, converter), element) for element in get_args(into)]

    def structure(value: list[object], _into: object) -> object:
        if len(value) != len(hooks):
            problem = f"expected an array of {len(hooks)}, got one of {len(value)}"
            raise MismatchError(problem)
        return tuple(_structure_members(hooks, range(len(value)), value))

    return require_type(list, "an array", structure)


def _is_object(into: object) -> bool:
    return _kind(into) in _OBJECTS


def _object(into: object, converter: Converter) -> Hook:
    key, member = get_args(into) or (str, object)
    keys, members = hook_for(key, converter), hook_for(member, converter)

    def structure(value: dict[str, object], _into: object) -> object:
        names = _structure_members(repeat((keys, key)), value, value)
        return dict(zip(names, _structure_members(repeat((members, member)), value, value.values()), strict=True))

    return require_type(dict, "an object", structure)


def _is_other_collection(into: object) -> bool:
    """Return True for types such as `deque` and named tuples, which cattrs would fill from any iterable."""
    kind = _kind(into)
    return isinstance(kind, type) and issubclass(kind, Collection)


# cattrs calls the matching factory that was registered last.
COLLECTIONS: Final[tuple[tuple[Callable[[Any], bool], Factory], ...]] = (
    (_is_other_collection, reject_type),
    (_is_array, _array),
    (_is_fixed_tuple, _fixed_tuple),
    (_is_object, _object),
)
