"""Response headers as a read-only mapping, which is built when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from triverse.core.text import to_single_line

__all__ = ["Headers"]

_REQUEST_ID: Final = (b"x-request-id", b"request-id")
_MAX_REQUEST_ID: Final = 128


class Headers(Mapping[str, str]):
    """Response headers. Names are not case-sensitive; the values of repeated headers are joined by a comma."""

    __slots__ = ("_merged", "_raw")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._raw = tuple(raw)
        self._merged: dict[bytes, list[bytes]] | None = None

    def __getitem__(self, name: str) -> str:
        values = self._by_name().get(name.encode("latin-1", "replace").lower())
        if values is None:
            raise KeyError(name)
        return _joined(values)

    def _by_name(self) -> dict[bytes, list[bytes]]:
        # Built once: a server may send thousands of headers.
        if self._merged is None:
            merged: dict[bytes, list[bytes]] = {}
            for name, value in self._raw:
                merged.setdefault(name.lower(), []).append(value)
            self._merged = merged
        return self._merged

    def get_first(self, *names: bytes) -> str | None:
        """Return the value of the first of these headers that is present. The names are in lower case."""
        for name in names:
            values = [value for key, value in self._raw if key.lower() == name]
            if values:
                return _joined(values)
        return None

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, at most 128 characters of it; None if it sent none."""
        value = self.get_first(*_REQUEST_ID)
        return to_single_line(value[:_MAX_REQUEST_ID]) if value else None

    def redacted(self, redact: Callable[[str], str]) -> Headers:
        """Return the headers redacted, or the same object if there is nothing to redact."""
        together = b"\n".join([part for pair in self._raw for part in pair])
        if _redacted(together + together.lower(), redact) == together + together.lower():
            return self
        return Headers([(_redacted_name(name, redact), _redacted(value, redact)) for name, value in self._raw])

    def without_query(self) -> Headers:
        """Return the headers without the query of `Location`, which may be a signature that gives access to a file."""
        if self.get_first(b"location") is None:
            return self
        return Headers(
            [(name, value.partition(b"?")[0] if name.lower() == b"location" else value) for name, value in self._raw]
        )

    @property
    def raw(self) -> tuple[tuple[bytes, bytes], ...]:
        """Names and values as they were received."""
        return self._raw

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())

    def __hash__(self) -> int:
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Headers, (self._raw,)


def _joined(values: list[bytes]) -> str:
    return b", ".join(values).decode("latin-1")


def _redacted_name(name: bytes, redact: Callable[[str], str]) -> bytes:
    """Return the name without the key, also if only its lower-case form, which the mapping uses, is the key."""
    name = _redacted(name, redact)
    lowered = _redacted(name.lower(), redact)
    return name if lowered == name.lower() else lowered


def _redacted(text: bytes, redact: Callable[[str], str]) -> bytes:
    return redact(text.decode("latin-1")).encode("latin-1")
