"""What all results have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import field, frozen

__all__ = ["Result"]


@frozen(kw_only=True)
class Result:
    """What the service sent, as an immutable value."""

    _extra: Mapping[str, object] = field(factory=dict[str, object], eq=False, repr=False)

    @property
    def extra(self) -> Mapping[str, object]:
        """Fields that the service sent and this version does not know. Read-only; not part of `==`."""
        return MappingProxyType(dict(self._extra))
