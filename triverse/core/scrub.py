"""Remove the key from the exceptions of other libraries.

An exception can hold text in its arguments, notes, attributes, slots and C members, in exceptions that it is caused by,
is a group of or has as an attribute, and in objects of any class. Each is redacted in place where that is possible.
Where it is not (the message of an exception group cannot be set; a `__str__` may build its text from anything), the
exception is replaced by a plain one with the redacted text.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final, TypeAlias, cast

__all__ = ["scrub"]

Redact: TypeAlias = Callable[[str], str]

# An exception may refer to objects of any size. What follows the first MiB of a pickle is not searched.
_MAX_PICKLE_BYTES: Final = 1024 * 1024
_CONTAINERS: Final[tuple[Any, ...]] = (list, tuple, dict, set, frozenset)


def scrub(error: BaseException, redact: Redact) -> BaseException:
    """Return the exception without the key: the same object, or a replacement if it cannot be redacted in place.

    Tracebacks are removed: frames of HTTP libraries hold the request, and some tools print the variables of each frame.
    """
    try:
        return _Scrubber(redact).run(error)
    except RecursionError:
        return _plain(error, redact)


class _Scrubber:
    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        # By identity: each exception that was found, and what takes its place.
        self._found: dict[int, BaseException] = {}
        self._cleaned: dict[int, BaseException] = {}
        self._waiting: list[BaseException] = []
        self._inside: set[int] = set()

    def run(self, error: BaseException) -> BaseException:
        self._waiting.append(error)
        while self._waiting:
            self._exception(self._waiting.pop())
        for number, link in self._found.items():
            self._relink(link, self._cleaned[number])
        return self._cleaned[id(error)]

    def _relink(self, error: BaseException, cleaned: BaseException) -> None:
        cause, context, suppress = error.__cause__, error.__context__, error.__suppress_context__
        cleaned.__cause__ = cause and self._cleaned[id(cause)]
        cleaned.__context__ = context and self._cleaned[id(context)]
        cleaned.__suppress_context__ = suppress

    def _exception(self, error: BaseException) -> BaseException:
        number = id(error)
        if number not in self._cleaned:
            self._found[number] = self._cleaned[number] = error
            self._waiting += [link for link in (error.__cause__, error.__context__) if link is not None]
            error.with_traceback(None)
            for name, value in _attributes(error):
                cleaned = self._value(value)
                if cleaned is not value:
                    _set(error, name, cleaned)
            self._cleaned[number] = self._redacted(error)
        return self._cleaned[number]

    def _redacted(self, error: BaseException) -> BaseException:
        if isinstance(error, BaseExceptionGroup):
            return self._group(cast("BaseExceptionGroup[BaseException]", error))
        return _plain(error, self._redact) if self._shows(error, str) else error

    def _group(self, group: BaseExceptionGroup[BaseException]) -> BaseException:
        members = [self._exception(member) for member in group.exceptions]
        same = all(one is other for one, other in zip(members, group.exceptions, strict=True))
        if same and not self._shows(group, str):
            return group
        rebuilt = BaseExceptionGroup(self._redact(group.message), members)
        for note in getattr(group, "__notes__", ()):
            rebuilt.add_note(note)
        return rebuilt

    def _value(self, value: object) -> object:
        """Return the value itself if it does not show the key, else one without it."""
        if isinstance(value, BaseException):
            return self._exception(value)
        if isinstance(value, (str, bytes, bytearray)):
            return self._string(value)
        if isinstance(value, _CONTAINERS):
            return self._container(value)
        if isinstance(value, type):
            return value
        return self._redact(_text(value, repr)) if self._shows(value, repr) else value

    def _string(self, value: str | bytes | bytearray) -> object:
        if isinstance(value, str):
            redacted = self._redact(value)
            return value if redacted == value else redacted
        text = value.decode("latin-1")
        redacted = self._redact(text)
        return value if redacted == text else redacted.encode("latin-1")

    def _container(self, value: object) -> object:
        if id(value) in self._inside:  # it contains itself
            return value
        kind = next(kind for kind in _CONTAINERS if isinstance(value, kind))
        untyped = cast("Any", value)
        members: list[object] = list(untyped.items() if kind is dict else untyped)
        self._inside.add(id(value))
        cleaned = [self._value(member) for member in members]
        self._inside.discard(id(value))
        same = all(one is other for one, other in zip(members, cleaned, strict=True))
        return value if same else cast("Any", kind)(cleaned)

    def _shows(self, value: object, convert: Callable[[object], str]) -> bool:
        text = _text(value, convert)
        pickled = _pickled(value)
        return self._redact(text) != text or self._redact(pickled) != pickled


def _plain(error: BaseException, redact: Redact) -> BaseException:
    return Exception(f"{type(error).__name__}: {redact(_text(error, str))}")


def _attributes(error: BaseException) -> Iterator[tuple[str, object]]:
    names = list(vars(error))
    for cls in type(error).__mro__:
        members = (MemberDescriptorType, GetSetDescriptorType)
        names += [name for name, member in vars(cls).items() if isinstance(member, members) and name[:2] != "__"]
    for name in names:
        # None for a slot without a value, and for an attribute of C that is not set, as OSError.characters_written.
        value = getattr(error, name, None)
        if value is not None:
            yield name, value


def _set(error: BaseException, name: str, value: object) -> None:
    try:
        # Not setattr: attrs can freeze exceptions.
        BaseException.__setattr__(error, name, value)
    except (AttributeError, TypeError):
        return  # read-only: the text shows whether that matters


def _text(value: object, convert: Callable[[object], str]) -> str:
    try:
        return convert(value)
    except Exception:  # noqa: BLE001 - classes of other libraries may fail even here, and then show nothing
        return ""


class _Start(bytearray):
    """A file that keeps what is written up to a limit."""

    def write(self, data: bytes) -> int:
        self += data
        if len(self) > _MAX_PICKLE_BYTES:
            raise OverflowError
        return len(data)


def _pickled(value: object) -> str:
    start = _Start()
    try:
        pickle.Pickler(start).dump(value)
    except OverflowError:
        del start[_MAX_PICKLE_BYTES:]
    except Exception:  # noqa: BLE001 - classes of other libraries fail to pickle in any way, and are then in no pickle
        return ""
    return start.decode("latin-1")
