"""A parser for multipart/form-data (RFC 7578) that reads a file piece by piece, within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

from triverse.sandbox.content import SeekableFile

__all__ = ["MultipartError", "Part", "boundary_of", "parts_of"]

_CHUNK: Final = 256 * 1024
_MAX_HEAD: Final = 64 * 1024
_MAX_PARTS: Final = 100
_BOUNDARY: Final = re.compile(
    r"multipart/form-data\s*;.*?\bboundary=(?:\"([^\"]{1,70})\"|([^\s;\",]{1,70}))", re.IGNORECASE
)
# `\"` stands for a quote within a quoted value, as browsers once sent it; today they send %22.
_PARAMETER: Final = re.compile(r";\s*([\w*]+)=(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]*))")


class MultipartError(Exception):
    """The body is not multipart/form-data, or goes beyond the bounds."""


@frozen
class Part:
    """One part: its headers by lower-case name, and where its bytes are in the file."""

    headers: Mapping[str, str]
    start: int
    size: int

    def parameter(self, name: str) -> str | None:
        """Return a parameter of `Content-Disposition`, such as `name` or `filename`; None if it is not there."""
        found = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(self._disposition)}
        value = found.get(name)
        return None if value is None else re.sub(r"\\(.)", r"\1", value)

    @property
    def _disposition(self) -> str:
        return self.headers.get("content-disposition", "")


def boundary_of(content_type: str) -> bytes:
    """Return the boundary from the header `Content-Type`.

    Raises:
        MultipartError: it is not multipart/form-data with a boundary.
    """
    found = _BOUNDARY.match(content_type.strip())
    if found is None:
        raise MultipartError("expected Content-Type: multipart/form-data with a boundary")
    return (found[1] or found[2]).encode("latin-1", "replace")


def parts_of(file: SeekableFile, boundary: bytes) -> list[Part]:
    """Return the parts of the body in this file.

    Raises:
        MultipartError: the body is damaged, incomplete, or goes beyond the bounds.
    """
    delimiter = b"\r\n--" + boundary
    marks = _positions(file, delimiter)
    parts: list[Part] = []
    begin = next(marks, None)
    while begin is not None and not _is_last(file, begin + len(delimiter)):
        end = next(marks, None)
        if end is None or len(parts) == _MAX_PARTS:
            raise MultipartError("the last part is incomplete" if end is None else "too many parts")
        parts.append(_part(file, begin + len(delimiter), end))
        begin = end
    if begin is None:
        raise MultipartError("the body has no parts, or does not end with the boundary")
    return parts


def _positions(file: SeekableFile, delimiter: bytes) -> Iterator[int]:
    """Yield where each delimiter begins. The first may lack its line break, which is then at position -2."""
    window, window_start, position = b"\r\n", -2, 0
    while True:
        file.seek(position)
        chunk = file.read(_CHUNK)
        position += len(chunk)
        window += chunk
        searched = 0
        while (found := window.find(delimiter, searched)) >= 0:
            yield window_start + found
            searched = found + len(delimiter)
        if not chunk:
            return
        keep = max(searched, len(window) - len(delimiter) + 1)
        window_start += keep
        window = window[keep:]


def _is_last(file: SeekableFile, position: int) -> bool:
    file.seek(position)
    return file.read(2) == b"--"


def _part(file: SeekableFile, begin: int, end: int) -> Part:
    file.seek(begin)
    head, found, _ = file.read(min(_MAX_HEAD, end - begin)).partition(b"\r\n\r\n")
    if not found:
        raise MultipartError("the headers of a part are damaged or too long")
    headers: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.decode("utf-8", "replace").partition(":")
        headers[name.strip().lower()] = value.strip()
    start = begin + len(head) + len(found)
    return Part(headers, start, end - start)
