"""Bodies of responses that are made piece by piece, so that 300 MB need no memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from attrs import frozen

__all__ = ["Bytes", "Content", "Joined", "Repeated", "SeekableFile", "Slice"]

_CHUNK: Final = 64 * 1024


class SeekableFile(Protocol):
    """A file that can be read from any position."""

    def seek(self, offset: int, /) -> int:
        """Go to a position."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return bytes from here, up to this size."""
        ...


class Content(Protocol):
    """The body of a response that is not held in memory."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from one position to another, piece by piece."""
        ...


@frozen
class Bytes:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from one position to another."""
        end = self.size if stop is None else min(stop, self.size)
        for at in range(start, end, _CHUNK):
            yield self.data[at : min(at + _CHUNK, end)]


@frozen
class Repeated:
    """One block again and again, up to a size."""

    block: bytes
    size: int

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from one position to another."""
        position, end = start, self.size if stop is None else min(stop, self.size)
        while position < end:
            offset = position % len(self.block)
            chunk = self.block[offset : offset + end - position]
            position += len(chunk)
            yield chunk


@frozen
class Joined:
    """Several contents, one after the other."""

    parts: Sequence[Content]

    @property
    def size(self) -> int:
        """Number of bytes."""
        return sum(part.size for part in self.parts)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from one position to another."""
        before, end = 0, self.size if stop is None else stop
        for part in self.parts:
            first, last = max(0, start - before), min(part.size, end - before)
            if first < last:
                yield from part.chunks(first, last)
            before += part.size


@frozen
class Slice:
    """A part of another content."""

    source: Content
    first: int
    stop: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.stop - self.first

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from one position to another."""
        end = self.size if stop is None else min(stop, self.size)
        yield from self.source.chunks(self.first + start, self.first + end)
