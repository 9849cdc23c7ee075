"""From parsed JSON to result classes, strictly: nothing is coerced, and an error names the path.

cattrs is lax by default (`null` becomes `'None'`, `True` becomes `1.0`, a string becomes a list of its letters). So
each kind of value that JSON can hold has a strict hook, in `scalars` and `hooks`, and cattrs only fills classes. A type
that has none is refused before anything is sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeVar, cast, get_origin, is_typeddict
from uuid import UUID

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override
from cattrs.gen.typeddicts import (
    make_dict_structure_fn as make_typed_dict_structure_fn,  # pyright: ignore[reportUnknownVariableType]  # cattrs leaves its dict untyped
)

from triverse.core.errors import ConfigurationError
from triverse.core.result import EXTRA_FIELD, Result
from triverse.core.structure_hooks import HOOK_FACTORIES, Hook, enum_member, reject_type, require_type, scalar_hook
from triverse.core.validation import (
    as_mismatch,
    check_bool,
    check_bytes,
    check_float,
    check_int,
    check_json,
    check_null,
    check_str,
    check_uuid,
)

__all__ = ["structurer"]

T = TypeVar("T")


def structurer(into: type[T]) -> Callable[[object, str], T]:
    """The function that turns parsed JSON into this type. It takes the value and what to call it in errors.

    Raises:
        ConfigurationError: no JSON could become this type.
    """
    try:
        return cast("Callable[[object, str], T]", _structurer(cast("Hashable", into)))
    except Exception as error:
        message = f"into={into!r}: JSON cannot become this type"
        raise ConfigurationError(message) from error


@lru_cache(maxsize=1024)
def _structurer(into: Hashable) -> Callable[[object, str], object]:
    hook = _converter.get_structure_hook(into)

    def structure(value: object, name: str) -> object:
        try:
            return hook(value, into)
        except Exception as error:  # noqa: BLE001 - hooks of foreign types fail in any way they like
            raise as_mismatch(error, name) from None

    return structure


def _fields_hook(into: type[Any], converter: Converter) -> Hook:
    """For an attrs class or a dataclass. A `Result` also keeps the fields that it does not know."""
    cls: type[Any] = get_origin(into) or into
    if hasattr(cls, "structure"):  # a result class that decodes leniently
        return lambda value, _into: cls.structure(value)
    if not issubclass(cls, Result):
        return require_type(dict, "an object", make_dict_structure_fn(into, converter))
    fill = make_dict_structure_fn(into, converter, _extra=override(struct_hook=lambda extra, _into: check_json(extra)))
    known = frozenset(attribute.name for attribute in attrs.fields(cls)) - {EXTRA_FIELD}

    def structure(value: dict[str, object], result: type[Any]) -> object:
        reject_type = value.keys() - known
        if reject_type:
            extra = {name: value[name] for name in value if name in reject_type}
            value = {name: value[name] for name in value.keys() & known} | {EXTRA_FIELD: extra}
        return fill(value, result)

    return require_type(dict, "an object", structure)


def _typed_dict_hook(into: type[Any], converter: Converter) -> Hook:
    return require_type(dict, "an object", cast("Hook", make_typed_dict_structure_fn(into, converter)))


def _has_fields(into: type[Any]) -> bool:
    return attrs.has(into) or dataclasses.is_dataclass(get_origin(into) or into)


def _make_converter() -> Converter:
    converter = Converter(structure_fallback_factory=reject_type)
    scalars: dict[type, Callable[[object], object]] = {
        bool: check_bool,
        bytes: check_bytes,
        float: check_float,
        int: check_int,
        str: check_str,
        UUID: check_uuid,
    }
    for kind, check in scalars.items():
        converter.register_structure_hook(kind, scalar_hook(kind, check))
    converter.register_structure_hook(Enum, enum_member)
    for applies, factory in HOOK_FACTORIES:
        converter.register_structure_hook_factory(applies, factory)
    converter.register_structure_hook_factory(is_typeddict, _typed_dict_hook)
    converter.register_structure_hook_factory(_has_fields, _fields_hook)
    # By predicate, since a hook for the class `object` would be one for its subclasses, too.
    converter.register_structure_hook_func(lambda into: into in {object, Any}, lambda value, _into: check_json(value))
    converter.register_structure_hook_func(
        lambda into: into in {None, NoneType}, lambda value, _into: check_null(value)
    )
    return converter


_converter: Final = _make_converter()
