"""What all result classes have in common: unknown fields are kept, and results convert to dict, JSON and pydantic."""

from __future__ import annotations

import json
from collections.abc import Callable, KeysView, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self, cast
from uuid import UUID

import attrs
from attrs import field, frozen

from triverse.core._read_only import ReadOnlyDict, read_only
from triverse.core.json_values import to_plain_json

__all__ = ["EXTRA_FIELD", "Result", "Serializable", "as_dict"]

EXTRA_FIELD = "_extra"
"""The attribute that holds the fields of a result which its class does not know."""


class _PydanticSerializer:
    """The serialiser of a result class, made when pydantic asks for it."""

    def __get__(self, instance: object, owner: type) -> object:
        try:
            from triverse import _pydantic  # noqa: PLC0415 - pydantic is optional
        except ImportError as error:
            raise AttributeError from error
        return _pydantic.serializer_of(owner)


class Serializable:
    """A value class that converts to a dict, to JSON, and to and from pydantic.

    Pydantic accepts it as a field, in a `TypeAdapter`, and as a FastAPI response model.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return the fields as plain JSON values: UUIDs and datetimes as text, unknown fields included."""
        plain = to_plain_json(self, type(self).__name__, convert=_json_form, received=True)
        return cast("dict[str, object]", plain)

    def to_json(self) -> str:
        """Return the fields as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def _repr_html_(self) -> str:
        """Return the table that notebooks show."""
        from triverse.core.html_table import html_table  # noqa: PLC0415 - only notebooks need it

        return html_table(type(self).__name__, self.to_dict())

    # With these two, `dict(result)` is `result.to_dict()`. FastAPI calls dict() on each value that it does not know.
    def keys(self) -> KeysView[str]:
        """Return the names of the fields."""
        return as_dict(self).keys()

    def __getitem__(self, name: str) -> object:
        return self.to_dict()[name]

    # Without it, Python would call __getitem__ with 0, 1, 2 … for `a, b = result`.
    __iter__: ClassVar[None] = None

    # Pydantic looks for it on values whose annotation does not name their class: those of `dict`, `list` and `Any`.
    __pydantic_serializer__: ClassVar[object] = _PydanticSerializer()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> object:
        """Called by pydantic to learn how to validate and serialise this class."""
        from triverse import _pydantic  # noqa: PLC0415 - pydantic is optional

        return _pydantic.core_schema_of(cast("Any", cls), cast("Any", handler))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: object, handler: object) -> object:
        """Called by pydantic for the JSON schema of this class."""
        from triverse import _pydantic  # noqa: PLC0415 - pydantic is optional

        return _pydantic.json_schema_of(cast("Any", cls), cast("Any", core_schema), cast("Any", handler))


def _read_only_dict(fields: Mapping[str, object]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", read_only(dict(fields))) if fields else _NO_FIELDS


_NO_FIELDS = ReadOnlyDict()


@frozen(kw_only=True)
class Result(Serializable):
    """The payload of a response, as an immutable value."""

    # The alias is what attrs uses by default. Pyright only knows it if it is written.
    _extra: Mapping[str, object] = field(
        default=_NO_FIELDS, converter=_read_only_dict, eq=False, repr=False, alias="extra"
    )

    @property
    def extra(self) -> Mapping[str, object]:
        """Fields of the response that this version does not know. Read-only at every level; not part of `==`."""
        return self._extra

    def _without_key(self, redact: Callable[[str], str]) -> Self:  # noqa: ARG002 - for subclasses
        """Return the result without the key, if errors show texts of such results. The exchange calls it."""
        return self

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        # attrs copies annotations as text, and `Mapping` is not a name in the module of every subclass.
        vars(cls)["__init__"].__annotations__["extra"] = Mapping[str, object]


def as_dict(value: object) -> dict[str, object]:
    """Return the public fields of a result, then those in `extra`. The values are not converted."""
    cls = cast("type[attrs.AttrsInstance]", type(value))
    names = [attribute.name for attribute in attrs.fields(cls)] if attrs.has(cls) else vars(cls)["__dataclass_fields__"]
    known: dict[str, object] = {name: getattr(value, name) for name in names if not name.startswith("_")}
    if not isinstance(value, Result):
        return known
    # Lenient results keep a field of the wrong type in `extra`, and None in its place.
    return {**known, **value.extra, **{name: member for name, member in known.items() if member is not None}}


def _json_form(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, (UUID, BaseException)) or hasattr(value, "__fspath__"):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(cast("set[object]", value))
    cls = type(value)
    return as_dict(value) if attrs.has(cls) or hasattr(cls, "__dataclass_fields__") else value
