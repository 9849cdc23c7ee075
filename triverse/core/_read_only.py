"""JSON objects and arrays that cannot be changed.

They are a dict and a list, so that `json.dumps`, `==`, pickle, FastAPI and `isinstance` treat them like plain ones, but
every method that would change them raises a TypeError. Several callers may share one result: none can change it for the
others.
"""

from __future__ import annotations

from typing import NoReturn, cast

__all__ = ["ReadOnlyDict", "ReadOnlyList", "read_only"]


def _refuse(self: object, *_arguments: object, **_options: object) -> NoReturn:
    message = f"{type(self).__name__} cannot be changed: change a copy of it, as .copy() returns one"
    raise TypeError(message)


class ReadOnlyDict(dict[str, object]):
    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return ReadOnlyDict, (dict(self),)


class ReadOnlyList(list[object]):
    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return ReadOnlyList, (list(self),)


def read_only(value: object) -> object:
    """Return the JSON value with read-only objects and arrays at every level. The value itself stays as it is."""
    if isinstance(value, dict):
        return ReadOnlyDict({name: read_only(member) for name, member in cast("dict[str, object]", value).items()})
    if isinstance(value, list):
        return ReadOnlyList(map(read_only, cast("list[object]", value)))
    return value
