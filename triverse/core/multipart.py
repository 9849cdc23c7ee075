"""`multipart/form-data` with one file, streamed and with an exact length.

httpx has an encoder of its own, which sends a wrong length for a pipe, reads files on the event loop and copies `bytes`
as a whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Protocol

from triverse.core.file_types import suffix_of
from triverse.core.progress import Progress

__all__ = ["BodyStoppedError", "MultipartBody", "OpenedSource", "encode_filename"]

_MAX_FILENAME_BYTES: Final = 200
_MAX_SUFFIX: Final = 16


class OpenedSource(Protocol):
    """The bytes of a file that was opened and checked."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Yield them in chunks of at most 64 KiB, the same each time. Reading may block."""
        ...


class BodyStoppedError(Exception):
    """The body cannot be sent to its end. `MultipartBody.failure` is the reason."""


class MultipartBody:
    """A `StreamedBody` with one part, `file`.

    HTTP libraries convert what a body raises, so an error of the disk or of a callback is kept in `failure` and raised
    by the client afterwards.
    """

    def __init__(
        self,
        source: OpenedSource,
        *,
        filename: str,
        content_type: str,
        boundary: str,
        on_progress: Callable[[Progress], Awaitable[object] | None] | None = None,
    ) -> None:
        self._source = source
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{encode_filename(filename)}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._on_progress = on_progress
        self.content_type: str = f"multipart/form-data; boundary={boundary}"
        self.content_length: int = len(self._head) + source.size + len(self._tail)
        self.failure: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the body. The last chunk comes only if the source has not changed.

        Raises:
            BodyStoppedError: the source failed.
        """
        yield self._head
        chunks = self._source.chunks()
        while chunk := self._next(chunks):
            yield chunk
        yield self._tail

    def _next(self, chunks: Iterator[bytes]) -> bytes:
        try:
            return next(chunks, b"")
        except Exception as error:  # noqa: BLE001 - a user's file object may raise anything
            self.failure = error
        # Outside of the handler, so that the error of the user is not in a chain that is redacted.
        raise BodyStoppedError

    def progress(self, sent: int) -> Awaitable[None] | None:
        """Call `on_progress` after this many bytes of the body were sent.

        Returns:
            what the caller has to await, if the callback is asynchronous.

        Raises:
            BodyStoppedError: the callback failed.
        """
        done = min(sent - len(self._head), self._source.size)
        if self._on_progress is None or done <= 0 or sent == self.content_length:
            return None
        try:
            pending = self._on_progress(Progress(done, self._source.size))
        except Exception as error:  # noqa: BLE001 - a user's callback may raise anything
            self.failure = error
        else:
            return None if pending is None else self._await(pending)
        raise BodyStoppedError

    async def _await(self, pending: Awaitable[object]) -> None:
        try:
            await pending
        except Exception as error:  # noqa: BLE001 - a user's callback may raise anything
            self.failure = error
        else:
            return
        raise BodyStoppedError


def encode_filename(name: str) -> str:
    """Encode a file name for `Content-Disposition` as HTML5 prescribes, and shorten it, keeping its suffix.

    Quotes and line breaks are percent-encoded. So are other control characters, which servers refuse.
    """
    suffix = suffix_of(name)
    # In the case in which it was given.
    suffix = name[len(name) - len(suffix) :] if len(suffix) <= _MAX_SUFFIX else ""
    end = [_encode_character(character) for character in suffix]
    space = _MAX_FILENAME_BYTES - sum(map(_utf8_length, end))
    start: list[str] = []
    for character in name[: len(name) - len(suffix)]:
        encoded = _encode_character(character)
        space -= _utf8_length(encoded)
        if space < 0:
            break
        start.append(encoded)
    return "".join(start + end)


def _encode_character(character: str) -> str:
    if character == '"' or character < " " or character == "\x7f":
        return f"%{ord(character):02X}"
    # File names of POSIX may contain bytes that are not UTF-8; Python represents them as lone surrogates.
    return character.encode("utf-8", "replace").decode()


def _utf8_length(text: str) -> int:
    return len(text.encode())
