"""Structure hooks for enumerations, literals and unions: types of which a value must match one of several choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.disambiguators import create_default_dis_func

from triverse.core.structure_hooks import (
    Factory,
    Hook,
    UnsupportedTypeError,
    construct,
    hook_for,
    require_type,
)
from triverse.core.validation import MismatchError

__all__ = ["CHOICES", "enum_member", "has_fields"]

_SCALARS: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}


def has_fields(into: type[Any]) -> bool:
    """Return True for an attrs class or a dataclass."""
    return attrs.has(into) or dataclasses.is_dataclass(get_origin(into) or into)


def enum_member(value: object, into: type[Enum]) -> object:
    """Return the member with this value. Compares types too: 1.0 and true equal 1."""
    if type(value) not in {type(member.value) for member in into}:
        raise MismatchError.of(f"a value of {into.__name__}", value)
    return construct(into, value)


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
        except (KeyError, TypeError):  # TypeError: an array or an object cannot be looked up
            raise MismatchError.of(expected, value) from None

    return structure


def _is_union(into: object) -> bool:
    return get_origin(into) in {Union, UnionType}


def _union(into: object, converter: Converter) -> Hook:
    kinds = get_args(into)
    # Each is looked up here, since cattrs would only do so when a value has to become one of them.
    hooks = [(kind, hook_for(kind, converter)) for kind in kinds]
    others = [(kind, hook) for kind, hook in hooks if kind is not NoneType]
    if len(others) == 1:
        return _optional(*others[0])
    if all(isinstance(kind, type) and kind in _SCALARS for kind in kinds):
        return _scalar_union(dict(hooks))
    if all(has_fields(kind) for kind, _ in others):
        return _class_union(into, dict(others), converter)
    raise UnsupportedTypeError(into, "a JSON value does not show which of these types is meant")


def _optional(kind: object, hook: Hook) -> Hook:
    def structure(value: object, _into: object) -> object:
        return None if value is None else hook(value, kind)

    return structure


def _scalar_union(hooks: dict[type, Hook]) -> Hook:
    by_type: dict[type, tuple[Hook, type]] = {kind: (hook, kind) for kind, hook in hooks.items()}
    if float in by_type:
        by_type.setdefault(int, by_type[float])
    expected = " or ".join(_SCALARS[kind] for kind in hooks)

    def structure(value: object, _into: object) -> object:
        if type(value) not in by_type:
            raise MismatchError.of(expected, value)
        hook, kind = by_type[type(value)]
        return hook(value, kind)

    return structure


def _class_union(into: object, hooks: dict[type[Any], Hook], converter: Converter) -> Hook:
    try:
        find_class = create_default_dis_func(converter, *hooks)
    except TypeError as error:
        raise UnsupportedTypeError(into, str(error)) from None
    expected = "an object with the fields of " + " or ".join(kind.__name__ for kind in hooks)
    accepts_null = NoneType in get_args(into)

    def structure(value: dict[str, object], _into: object) -> object:
        try:
            kind = cast("type[Any]", find_class(value))
        except Exception:  # noqa: BLE001 - cattrs raises errors of several kinds
            raise MismatchError.of(expected, value) from None
        return hooks[kind](value, kind)

    checked = require_type(dict, expected, structure)
    return _optional(into, checked) if accepts_null else checked


# cattrs calls the matching factory that was registered last.
CHOICES: Final[tuple[tuple[Callable[[Any], bool], Factory], ...]] = (
    (_is_literal, _literal),
    (_is_union, _union),
)
