"""Bodies of requests: in memory up to 1 MiB, then in a temporary file, and never more than an upload may have."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final

from triverse.sandbox.http import MAX_BODY_BYTES

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["Spool"]

# Room for the parts of a multipart body beside its file.
_OVERHEAD: Final = 1024 * 1024
_LARGE: Final = 64 * 1024


class Spool:
    """A file that collects the body of a request. It is closed when nothing refers to it any more."""

    def __init__(self, sandbox: Sandbox, path: str) -> None:
        settings = sandbox.settings
        largest = max(settings.max_image_bytes, settings.max_model_bytes) + _OVERHEAD
        self._room = largest if "/upload/" in path else MAX_BODY_BYTES
        self._file = SpooledTemporaryFile(max_size=MAX_BODY_BYTES)  # noqa: SIM115 - an upload stays as long as the sandbox

    @property
    def is_large(self) -> bool:
        """Whether it is more than a small body of JSON."""
        return self._file.tell() > _LARGE

    def write(self, chunk: bytes) -> None:
        """Add bytes, as far as there is room."""
        self._file.write(chunk[: max(0, self._room)])
        self._room -= len(chunk)

    def seek(self, offset: int, /) -> int:
        """Go to a position."""
        return self._file.seek(offset)

    def read(self, size: int, /) -> bytes:
        """Return bytes from here, up to this size."""
        return self._file.read(size)

    def __del__(self) -> None:
        if hasattr(self, "_file"):  # an interrupt may have come before there was one
            self._file.close()
