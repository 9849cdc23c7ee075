"""Whether the bytes of a download are what they should be, judged while they come.

- An HTML page and the service's JSON envelope are not files.
- The header of a GLB contains its length. If the server sends `Content-Length` as well, the two must agree: bytes that
  are missing from it are a broken transfer, a GLB of another length is a wrong file. Without `Content-Length`, a GLB
  that is shorter than its header states is a broken transfer, and one that is longer is a wrong file.
- The first bytes are held back until the type is known, so that a wrong file is refused before any of it is handed on.
"""

from __future__ import annotations

import json
import re
from typing import Final, cast

from triverse.core.file_types import GLB, GLB_HEADER_BYTES, HEAD_BYTES, FileType, describe, detect, glb_length

__all__ = ["ContentError", "FileContent"]

# A page, and an envelope, are recognised within this many bytes.
_MAX_PAGE_HEAD: Final = 1024
_MAX_ENVELOPE: Final = 64 * 1024
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_PAGE: Final = re.compile(rb"<(!doctype\s+html|html[\s>])", re.IGNORECASE)
_ENVELOPE_START: Final = re.compile(rb'\{\s*"code"\s*:\s*-?\d+\s*,')
_PAGE_TYPES: Final = ("text/html", "application/xhtml")


class ContentError(Exception):
    """The content is not the file that was asked for. The text is the reason."""


class FileContent:
    """The content of one file, from its first byte on, whatever number of responses it comes in.

    Attributes:
        received: number of bytes that have come.
        total: size of the file by `Content-Length`; None if the server did not send it.
        decided: whether the type is known as far as it can be.
        file_type: the type by the first bytes; None if it is not one of ours.
    """

    def __init__(self, total: int | None, content_type: str, *, must_be_glb: bool) -> None:
        self.received: int = 0
        self.total: int | None = total
        self.decided: bool = False
        self.file_type: FileType | None = None
        self._content_type = content_type.strip().lower()
        self._must_be_glb = must_be_glb
        self._glb_length: int | None = None
        self._held = b""

    @property
    def expected(self) -> int | None:
        """Size of the file, by `Content-Length` or else by the header of a GLB; None if neither is known."""
        return self._glb_length if self.total is None else self.total

    def take(self, chunk: bytes) -> bytes:
        """Note a chunk, and return what can be handed on.

        Raises:
            ContentError: this is not the file that was asked for.
        """
        self.received += len(chunk)
        if self.decided:
            self._check_length()
            return chunk
        self._held += chunk
        return self._decide() if self._suffices() else b""

    def _suffices(self) -> bool:
        start = self._held.lstrip(_BLANK)
        if len(start) < HEAD_BYTES:
            return False
        if start.startswith(b"<"):
            return len(self._held) >= _MAX_PAGE_HEAD or _PAGE.search(start) is not None
        if start.startswith(b"{"):
            return len(self._held) >= _MAX_ENVELOPE or _ENVELOPE_START.match(start) is not None
        return True

    def _decide(self) -> bytes:
        self.file_type, self._glb_length = detect(self._held), glb_length(self._held)
        self._check_text()
        if self._must_be_glb and self.file_type is not GLB:
            raise ContentError(
                f"the content is {describe(self._held)}, but the target is named .glb. Pass a directory, which lets "
                "the name follow the content, or another name"
            )
        self._check_glb_header()
        self._check_length()
        self.decided = True
        held, self._held = self._held, b""
        return held

    def _check_text(self) -> None:
        if self.file_type is not None:
            return
        start = self._held.lstrip(_BLANK)
        if self._content_type.startswith(_PAGE_TYPES) or (start[:1] == b"<" and _PAGE.search(start[:_MAX_PAGE_HEAD])):
            raise ContentError("the content is an HTML page")
        if start[:1] == b"{" and (_ENVELOPE_START.match(start) or _is_envelope(start)):
            raise ContentError("the content is a JSON message of the service, not a file")

    def _check_glb_header(self) -> None:
        if self.file_type is not GLB:
            return
        if self._glb_length is None:
            raise ContentError("the content is a GLB that ends within its header")
        if self.total not in {None, self._glb_length}:
            raise ContentError(
                f"the GLB is {self.total:,} bytes long, but its header contains the length {self._glb_length:,}"
            )

    def _check_length(self) -> None:
        if self.expected is not None and self.received > self.expected:
            source = "the header of the GLB" if self.total is None else "Content-Length"
            raise ContentError(f"the content is longer than the {self.expected:,} bytes in {source}")

    def end(self) -> bytes:
        """Note that the server has sent all, and return what was still held back.

        Raises:
            ContentError: this is not the file that was asked for.
        """
        if self.total is None and not self.decided and detect(self._held) is GLB and glb_length(self._held) is None:
            self._glb_length = GLB_HEADER_BYTES  # at least
        if self.decided or not self.complete:
            return b""
        if self.received == 0:
            raise ContentError("the content is empty")
        return self._decide()

    @property
    def complete(self) -> bool:
        """Whether no byte is missing, as far as the size is known."""
        return self.expected is None or self.received >= self.expected


def _is_envelope(text: bytes) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    fields = cast("dict[str, object]", value)
    return type(fields.get("code")) is int and "message" in fields
