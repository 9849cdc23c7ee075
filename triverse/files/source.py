"""The bytes of one upload, read in chunks, as often as there are attempts.

A change of the source is found by its size and time of modification, or by checksums if there is no such time.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from triverse.core.errors import ConfigurationError
from triverse.core.file_types import HEAD_BYTES

__all__ = ["CHUNK_BYTES", "Source"]

CHUNK_BYTES: Final = 64 * 1024

# A change ends an upload early. It takes 2 us to look for one, a twentieth of the time that a chunk takes (2026-11).
_CHECK_EVERY: Final = 16 * CHUNK_BYTES


class Source:
    """The bytes of one upload.

    Attributes:
        size: how many there are.
        name: file name, if the source has one.
        argument: the argument that the source was, for the text of errors.
    """

    def __init__(  # noqa: PLR0913 - the ways in which sources differ
        self,
        argument: str,
        size: int,
        read: Callable[[int, int], bytes],
        *,
        name: str | None = None,
        close: Callable[[], object] | None = None,
        state: Callable[[], object] | None = None,
        checksums: bool = False,
    ) -> None:
        self.argument = argument
        self.size = size
        self.name = name
        self._read = read
        self._close = close
        self._state = state
        self._checksums: dict[int, int] | None = {} if checksums else None
        self._first_state = None if state is None else state()
        self._process = os.getpid()

    def head(self) -> bytes:
        """Return the first bytes."""
        return self._read(0, HEAD_BYTES)

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, in chunks of at most 64 KiB.

        Raises:
            ConfigurationError: the source has changed since it was opened, or a callback forked and this is the child.
            OSError: the disk failed.
        """
        offset, read, size = 0, self._read, self.size
        while offset < size:
            self._check_process()
            if offset % _CHECK_EVERY == 0:
                self._check_state()
            chunk = read(offset, min(CHUNK_BYTES, size - offset))
            self._check_chunk(offset, chunk)
            yield chunk
            offset += len(chunk)
        self._check_process()
        # The last chunk of the body is not sent before this check, so that nothing that changed arrives.
        self._check_state()

    def _check_chunk(self, offset: int, chunk: bytes) -> None:
        if not chunk:
            raise self._changed_error()
        if self._checksums is not None:
            checksum = zlib.crc32(chunk)
            if self._checksums.setdefault(offset, checksum) != checksum:
                raise self._changed_error()

    def _check_state(self) -> None:
        if self._state is not None and self._state() != self._first_state:
            raise self._changed_error()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise ConfigurationError(
                f"{self.argument}: the upload was begun in another process, from which this one was forked: begin it in"
                " this process"
            )

    def _changed_error(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.argument}: the source changed during the upload. Upload a copy that is at rest"
        )

    def close(self) -> None:
        """Close what was opened here."""
        if self._close is not None:
            self._close()
