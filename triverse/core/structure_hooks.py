"""How arrays, objects and choices become Python's own collections, enumerations, literals and unions.

A hook takes a value and the type it is to become; a factory makes the hook for a type. The first fault ends the work: a
few megabytes of JSON can hold millions of them.
"""

from __future__ import annotations

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
from enum import Enum
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from cattrs import Converter

from triverse.core.validation import MismatchError, as_mismatch, path_segment

__all__ = ["HOOK_FACTORIES", "Hook", "enum_member", "reject_type", "require_type", "scalar_hook"]

Hook: TypeAlias = Callable[[Any, Any], Any]  # Any: what cattrs itself says of a hook
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
_OBJECTS: AbstractSet[object] = {dict, Mapping, MutableMapping}
_SCALARS: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}


def require_type(kind: type, expected: str, hook: Hook) -> Hook:
    """The hook, for values of this kind alone."""

    def structure(value: object, into: object) -> object:
        if type(value) is not kind:
            raise MismatchError.of(expected, value)
        return hook(value, into)

    return structure


def scalar_hook(kind: type, check: Callable[[object], object]) -> Hook:
    """The hook for a class of plain values, and for subclasses such as `IntEnum`."""

    def structure(value: object, into: type) -> object:
        checked = check(value)
        return checked if into is kind else _member(into, checked)

    return structure


def _member(cls: type[Any], value: object) -> object:
    try:
        return cls(value)
    except ValueError:
        raise MismatchError.of(f"a value of {cls.__name__}", value) from None


def _kind(into: object) -> object:
    return get_origin(into) or into


def _hook_for(into: object, converter: Converter) -> Hook:
    try:
        return converter.get_structure_hook(into)
    except RecursionError:  # a class that holds itself: look its hook up when it is there
        return converter.structure


def _structure_members(
    hooks: Iterable[tuple[Hook, object]], keys: Iterable[object], values: Iterable[object]
) -> list[object]:
    made: list[object] = []
    for (hook, into), key, value in zip(hooks, keys, values, strict=False):
        try:
            made.append(hook(value, into))
        except Exception as error:  # noqa: BLE001 - hooks of foreign types fail in any way they like
            raise as_mismatch(error, path_segment(key)) from None
    return made


# --- Arrays and objects --------------------------------------------------------------------------


def _is_array(into: object) -> bool:
    return _kind(into) in _ARRAYS


def _array(into: object, converter: Converter) -> Hook:
    make = _ARRAYS[_kind(into)]
    (element, *_) = get_args(into) or (object,)
    hook = _hook_for(element, converter)

    def structure(value: list[object], _into: object) -> object:
        return make(_structure_members(repeat((hook, element)), range(len(value)), value))

    return require_type(list, "an array", structure)


def _is_fixed_tuple(into: object) -> bool:
    return get_origin(into) is tuple and get_args(into)[1:] != (...,)


def _fixed_tuple(into: object, converter: Converter) -> Hook:
    hooks = [(_hook_for(element, converter), element) for element in get_args(into)]

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
    keys, members = _hook_for(key, converter), _hook_for(member, converter)

    def structure(value: dict[str, object], _into: object) -> object:
        names = _structure_members(repeat((keys, key)), value, value)
        return dict(zip(names, _structure_members(repeat((members, member)), value, value.values()), strict=True))

    return require_type(dict, "an object", structure)


def _is_other_collection(into: object) -> bool:
    """Such as `deque` and named tuples, which cattrs would fill with anything that can be iterated over."""
    kind = _kind(into)
    return isinstance(kind, type) and issubclass(kind, Collection)


def _reject(into: object, _converter: Converter) -> Hook:
    return reject_type(into)


def reject_type(into: object) -> Hook:
    """Refuse a type, when its hook is asked for and not only when it is used."""
    message = f"no strict way into {into!r}"
    raise TypeError(message)


# --- Choices -------------------------------------------------------------------------------------


def enum_member(value: object, into: type[Enum]) -> object:
    """The member with this value. Else 1.0 and true would be the member whose value is 1."""
    if type(value) not in {type(member.value) for member in into}:
        raise MismatchError.of(f"a value of {into.__name__}", value)
    return _member(into, value)


def _is_literal(into: object) -> bool:
    return get_origin(into) is Literal


def _literal(into: object, _converter: Converter) -> Hook:
    choices: dict[tuple[type, object], object] = {}
    for choice in get_args(into):
        sent = choice.value if isinstance(choice, Enum) else choice
        choices[type(sent), sent] = choice
    expected = "one of " + ", ".join(repr(sent) for _, sent in choices)

    def structure(value: object, _into: object) -> object:
        try:
            return choices[type(value), value]
        except (KeyError, TypeError):  # arrays and objects cannot be looked up
            raise MismatchError.of(expected, value) from None

    return structure


def _is_scalar_union(into: object) -> bool:
    """Several kinds of plain value. Of `X | None` cattrs makes more than we could."""
    kinds = set(get_args(into))
    return get_origin(into) in {Union, UnionType} and _SCALARS.keys() >= kinds and len(kinds - {NoneType}) > 1


def _scalar_union(into: object, converter: Converter) -> Hook:
    hooks = {kind: (_hook_for(kind, converter), kind) for kind in get_args(into)}
    if float in hooks:
        hooks.setdefault(int, hooks[float])
    expected = " or ".join(_SCALARS[kind] for kind in get_args(into))

    def structure(value: object, _into: object) -> object:
        if type(value) not in hooks:
            raise MismatchError.of(expected, value)
        hook, kind = hooks[type(value)]
        return hook(value, kind)

    return structure


# Of those that say yes, the last one is asked.
HOOK_FACTORIES: Final[tuple[tuple[Callable[[Any], bool], Factory], ...]] = (
    (_is_other_collection, _reject),
    (_is_array, _array),
    (_is_fixed_tuple, _fixed_tuple),
    (_is_object, _object),
    (_is_literal, _literal),
    (_is_scalar_union, _scalar_union),
)
