"""What uploads and downloads have in common: types of arguments, and what their namespaces require of a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from triverse.core.progress import Progress
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime

__all__ = [
    "AsyncFileSender",
    "AsyncOnProgress",
    "BinaryFile",
    "FileSender",
    "OnProgress",
    "PathLike",
    "TransferLimits",
    "UploadSource",
]

T = TypeVar("T")

OnProgress: TypeAlias = Callable[[Progress], object]
AsyncOnProgress: TypeAlias = Callable[[Progress], Awaitable[object] | object]


class TransferLimits(NamedTuple):
    """How long and how often a transfer may be tried.

    Attributes:
        runtime: clocks and randomness.
        max_retries: extra attempts after the first.
        until: when the timeout runs out, on the monotonic clock; infinite without a timeout.
    """

    runtime: Runtime
    max_retries: int
    until: float


class PathLike(Protocol):
    """A path, such as `pathlib.Path`. The core does not import `os`, which has this class as well."""

    def __fspath__(self) -> str:
        """Return the path as text."""
        ...


class Buffer(Protocol):
    """`bytes`, `bytearray`, `memoryview`, an array or anything else with the buffer protocol."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Return a view of the bytes."""
        ...


class BinaryFile(Protocol):
    """A file that was opened in binary mode."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most this many bytes."""
        ...


UploadSource: TypeAlias = str | PathLike | Buffer | BinaryFile


class FileSender(Protocol):
    """What `Uploads` requires of a client."""

    def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...

    def upload_all(
        self, requests: Sequence[Request[T]], timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> list[T]:
        """Open and check all files, then upload one after the other."""
        ...


class AsyncFileSender(Protocol):
    """What `AsyncUploads` requires of a client."""

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...

    async def upload_all(
        self, requests: Sequence[Request[T]], timeout: float | None = None, on_progress: AsyncOnProgress | None = None
    ) -> list[T]:
        """Open and check all files, then upload one after the other."""
        ...
