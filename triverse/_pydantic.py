"""Result classes as pydantic types. Imported when pydantic asks a result class for its schema.

What is validated goes through the same strict parser as an answer of the service's: a value is as good here as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeVar, cast, get_args, get_type_hints

import attrs
from pydantic import TypeAdapter
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError, core_schema, to_jsonable_python

from triverse._docstrings import field_descriptions, summary
from triverse.core.result import Result, as_dict
from triverse.core.structure import structurer
from triverse.core.validation import MismatchError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

__all__ = ["core_schema_of", "json_schema_of", "serializer_of"]

T = TypeVar("T", bound=attrs.AttrsInstance)


def core_schema_of(cls: type[attrs.AttrsInstance], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    """Return the schema by which pydantic validates and serialises the class."""
    types = {name: _described_as(hint) for name, hint in get_type_hints(cls).items()}
    fields = core_schema.typed_dict_schema(
        {
            field.name: core_schema.typed_dict_field(
                handler.generate_schema(types[field.name]), required=field.default is attrs.NOTHING
            )
            for field in _known_fields(cls)
        },
        extra_behavior="allow" if issubclass(cls, Result) else "ignore",
    )
    # The schema of the fields describes and serialises. The strict parser validates.
    return core_schema.no_info_wrap_validator_function(
        _validator(cls),
        fields,
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        serialization=core_schema.wrap_serializer_function_ser_schema(_write, schema=fields),
    )


@cache
def serializer_of(cls: type) -> object:
    """Return what serialises the values of a class."""
    return TypeAdapter(cls).serializer


def json_schema_of(
    cls: type[attrs.AttrsInstance], schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
) -> JsonSchemaValue:
    """Return the JSON schema of the class, with the descriptions of its docstring."""
    described = handler(schema)
    whole = handler.resolve_ref_schema(described)
    whole |= {"title": cls.__name__, "description": summary(cls)}
    for name, description in field_descriptions(cls).items():
        whole["properties"][name]["description"] = description
    return described


def _described_as(hint: object) -> object:
    """Return the type by which pydantic describes a field. An error is serialised as its text."""
    kinds = [kind for kind in get_args(hint) or (hint,) if isinstance(kind, type)]
    return str | None if any(issubclass(kind, BaseException) for kind in kinds) else hint


def _known_fields(cls: type[attrs.AttrsInstance]) -> list[attrs.Attribute[object]]:
    return [field for field in attrs.fields(cls) if not field.name.startswith("_")]


def _write(value: attrs.AttrsInstance, fields: core_schema.SerializerFunctionWrapHandler) -> object:
    members = {
        name: str(member) if isinstance(member, BaseException) else member for name, member in as_dict(value).items()
    }
    unexpected = _unexpected(value)
    written = cast("dict[str, object]", fields(members | dict.fromkeys(unexpected)))
    return written | {name: member for name, member in unexpected.items() if name in written}


def _unexpected(value: attrs.AttrsInstance) -> dict[str, object]:
    """Return the fields of the wrong type, which are None and in `extra`. Their schema would warn of them."""
    extra: Mapping[str, object] = value.extra if isinstance(value, Result) else {}
    names = [field.name for field in _known_fields(type(value))]
    return {name: extra[name] for name in names if name in extra and getattr(value, name) is None}


def _validator(cls: type[T]) -> Callable[[object, object], T]:
    def validate(value: object, _fields: object) -> T:
        if isinstance(value, cls):
            return value
        try:
            return structurer(cls)(to_jsonable_python(value), "")
        except MismatchError as error:
            raise _invalid(cls, error, value) from None

    return validate


def _invalid(cls: type, error: MismatchError, value: object) -> ValidationError:
    """Return the error as one of pydantic, which keeps its place in a surrounding model."""
    place = tuple(path_segment for path_segment in error.path.split(".") if path_segment)
    kind = PydanticCustomError("triverse_mismatch", "{problem}", {"problem": error.problem})
    return ValidationError.from_exception_data(cls.__name__, [InitErrorDetails(type=kind, loc=place, input=value)])
