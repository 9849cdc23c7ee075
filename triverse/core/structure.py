"""Structure decoded JSON into result classes, strictly: no value is coerced, and an error contains the path.

cattrs is lenient by default (`null` becomes `'None'`, `True` becomes `1.0`, a string becomes a list of its letters).
Here every kind of JSON value has a strict hook, in `structure_hooks` and `structure_choices`, and cattrs only fills
classes. A type for which there is no hook is refused before anything is sent.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override
from cattrs.gen.typeddicts import (
    make_dict_structure_fn as make_typed_dict_structure_fn,  # pyright: ignore[reportUnknownVariableType]  # cattrs leaves its dict untyped
)

from triverse.core.errors import ConfigurationError
from triverse.core.result import EXTRA_FIELD, Result
from triverse.core.structure_choices import CHOICES, enum_member, has_fields
from triverse.core.structure_hooks import (
    COLLECTIONS,
    Factory,
    Hook,
    UnsupportedTypeError,
    as_mismatch,
    hook_for,
    is_bytes,
    reject_type,
    require_type,
    scalar_hook,
    type_name,
)
from triverse.core.text import exception_message
from triverse.core.validation import (
    check_bool,
    check_extra,
    check_float,
    check_int,
    check_json,
    check_null,
    check_str,
    check_uuid,
)

__all__ = ["structurer"]

T = TypeVar("T")

_SUPPORTED: Final = (
    "JSON can become bool, int, float, str, None, UUID, enumerations, collections of these, attrs classes, dataclasses "
    "and TypedDicts"
)


def structurer(into: type[T]) -> Callable[[object, str], T]:
    """Return the function that structures decoded JSON into this type. It takes the value and its name in errors.

    Raises:
        ConfigurationError: no JSON value can become this type. The message names the type at fault and its place.
    """
    try:
        return cast("Callable[[object, str], T]", _structurer(cast("Hashable", into)))
    except Exception as error:  # anything may be passed as `into`, and users' classes fail in any way
        kind = "" if isinstance(error, UnsupportedTypeError) else f"{type(error).__name__}: "
        reason = f"JSON cannot become this type. {kind}{exception_message(error)}"
        message = f"into={type_name(into)}: {reason}. {_SUPPORTED}"
        raise ConfigurationError(message) from error


@lru_cache(maxsize=1024)
def _structurer(into: Hashable) -> Callable[[object, str], object]:
    hook = hook_for(into, _converter)

    def structure(value: object, name: str) -> object:
        try:
            return hook(value, into)
        except Exception as error:  # noqa: BLE001 - users' classes fail in any way
            raise as_mismatch(error, name) from None

    return structure


# --- Classes -------------------------------------------------------------------------------------


def _class(into: type[Any], converter: Converter) -> Hook:
    cls: type[Any] = get_origin(into) or into
    lenient: Callable[[object], object] | None = getattr(cls, "structure", None) if issubclass(cls, Result) else None
    if lenient is not None:
        return _ignoring_type(lenient)
    _check_constructor(cls)
    if issubclass(cls, Result):
        return _result(into, converter)
    return require_type(dict, "an object", make_dict_structure_fn(into, converter))


def _check_constructor(cls: type[Any]) -> None:
    """Refuse a class whose constructor requires more than the fields, such as an `InitVar`."""
    passed = {getattr(field, "alias", field.name) for field in _fields(cls)}
    for name, parameter in inspect.signature(cls).parameters.items():
        variadic = parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
        if parameter.default is parameter.empty and not variadic and name not in passed:
            reason = f"its constructor requires {name!r}, which is not a field"
            raise UnsupportedTypeError(cls, reason)


def _fields(cls: type[Any]) -> list[Any]:
    fields: tuple[Any, ...] = attrs.fields(cls) if attrs.has(cls) else dataclasses.fields(cls)
    return [field for field in fields if field.init]


def _result(into: type[Any], converter: Converter) -> Hook:
    """Return the hook for a `Result`, which keeps the fields that it does not know."""
    fill = make_dict_structure_fn(into, converter, _extra=override(struct_hook=_ignoring_type(check_extra)))
    known = frozenset(attribute.name for attribute in attrs.fields(get_origin(into) or into)) - {EXTRA_FIELD}

    def structure(value: dict[str, object], result: type[Any]) -> object:
        unknown = value.keys() - known
        if unknown:
            extra = {name: value[name] for name in value if name in unknown}
            value = {name: value[name] for name in value.keys() & known} | {EXTRA_FIELD: extra}
        return fill(value, result)

    return require_type(dict, "an object", structure)


def _typed_dict(into: type[Any], converter: Converter) -> Hook:
    """Return the hook for a `TypedDict`, which keeps the fields that it does not know."""
    fill = cast("Hook", make_typed_dict_structure_fn(into, converter))
    known = frozenset(get_type_hints(into))

    def structure(value: dict[str, object], kind: object) -> object:
        check_json({name: member for name, member in value.items() if name not in known})
        return fill(value, kind)

    return require_type(dict, "an object", structure)


# --- What is refused -----------------------------------------------------------------------------


def _tracked(factory: Factory) -> Factory:
    """Return the factory. Its `UnsupportedTypeError` also holds the type around the one that is refused."""

    def make(into: object, converter: Converter) -> Hook:
        try:
            return factory(into, converter)
        except UnsupportedTypeError as error:
            error.refused.append(into)
            raise

    return make


def _tracked_class(factory: Factory) -> Factory:
    """Return the factory of a class. Its `UnsupportedTypeError` also holds the field of the type that is refused."""

    def make(into: type[Any], converter: Converter) -> Hook:
        cls: type[Any] = get_origin(into) or into
        try:
            _refuse_bytes(cls)
            return factory(into, converter)
        except NameError as error:
            reason = f"an annotation cannot be resolved ({error})"
            raise UnsupportedTypeError(cls, reason) from None
        except UnsupportedTypeError as error:
            names = [name for name, hint in _field_types(into) if hint in error.refused]
            error.place = error.place or (f"{cls.__name__}.{names[0]}" if names else None)
            raise

    return _tracked(make)


def _refuse_bytes(cls: type[Any]) -> None:
    # cattrs finds a hook for bytes by its class, without asking for it by hook_for().
    hints = get_type_hints(cls)
    names = hints if is_typeddict(cls) else [field.name for field in _fields(cls)]
    for name in names:
        if is_bytes(hints[name]):
            raise UnsupportedTypeError(hints[name])


def _field_types(into: type[Any]) -> Iterator[tuple[str, object]]:
    """Yield the fields with their types, with `Annotated` as written and without it."""
    cls: type[Any] = get_origin(into) or into
    parameters: tuple[object, ...] = getattr(cls, "__parameters__", ())
    arguments = dict(zip(parameters, get_args(into), strict=False))
    for with_extras in (True, False):
        for name, hint in get_type_hints(cls, include_extras=with_extras).items():
            yield name, _substituted(hint, arguments)


def _substituted(hint: object, arguments: Mapping[object, object]) -> object:
    if isinstance(hint, TypeVar):
        return arguments.get(hint, hint)
    parameters: tuple[object, ...] = () if isinstance(hint, type) else getattr(hint, "__parameters__", ())
    return cast("Any", hint)[tuple(arguments.get(each, each) for each in parameters)] if parameters else hint


# --- The converter -------------------------------------------------------------------------------


def _make_converter() -> Converter:
    converter = Converter(structure_fallback_factory=reject_type)
    scalars: dict[type, Callable[[object], object]] = {
        bool: check_bool,
        float: check_float,
        int: check_int,
        str: check_str,
        UUID: check_uuid,
    }
    for kind, check in scalars.items():
        converter.register_structure_hook(kind, scalar_hook(kind, check))
    converter.register_structure_hook(Enum, enum_member)
    for applies, factory in (*COLLECTIONS, *CHOICES):
        converter.register_structure_hook_factory(applies, _tracked(factory))
    converter.register_structure_hook_factory(is_typeddict, _tracked_class(_typed_dict))
    converter.register_structure_hook_factory(has_fields, _tracked_class(_class))
    # By predicates: a hook registered for a class is also one for its subclasses.
    exact: dict[object, Callable[[object], object]] = {
        object: check_json,
        Any: check_json,
        None: check_null,
        NoneType: check_null,
    }
    for into, check in exact.items():
        converter.register_structure_hook_func(_is(into), _ignoring_type(check))
    return converter


def _is(kind: object) -> Callable[[object], bool]:
    return lambda into: into is kind


def _ignoring_type(check: Callable[[Any], object]) -> Hook:
    return lambda value, _into: check(value)


_converter: Final = _make_converter()
