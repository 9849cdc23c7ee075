"""What all results have in common: fields that nobody knows yet are kept, and pydantic can work with them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from attrs import field, frozen

__all__ = ["PydanticCompatible", "Result"]

# By name, since the core knows no room above it, and nobody who does not use pydantic shall need it.
_PYDANTIC_MODULE = "triverse._pydantic"


class PydanticCompatible:
    """A value class that works as a pydantic type: as a field, with a `TypeAdapter`, as a FastAPI response model."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> object:
        """Say how to validate and write it. Pydantic calls this, so pydantic is there."""
        return import_module(_PYDANTIC_MODULE).core_schema_of(cls, handler)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: object, handler: object) -> object:
        """Say what it looks like as JSON. Pydantic calls this, so pydantic is there."""
        return import_module(_PYDANTIC_MODULE).json_schema_of(cls, core_schema, handler)


@frozen(kw_only=True)
class Result(PydanticCompatible):
    """What the service sent, as an immutable value."""

    _extra: Mapping[str, object] = field(factory=dict[str, object], eq=False, repr=False)

    @property
    def extra(self) -> Mapping[str, object]:
        """Fields that the service sent and this version does not know. Read-only; not part of `==`."""
        return MappingProxyType(dict(self._extra))
