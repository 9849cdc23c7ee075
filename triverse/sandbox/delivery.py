"""Downloads over HTTP: ETag, Range, If-Range (RFC 9110, sections 8.8.3, 13.1.5 and 14)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import count
from typing import Final

from triverse.sandbox.content import Content, Slice
from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.http import SandboxRequest, SandboxResponse, failure
from triverse.sandbox.settings import SandboxSettings

__all__ = ["deliver"]

_RANGE: Final = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")
_responses: Final = count(1)


def deliver(
    request: SandboxRequest, settings: SandboxSettings, name: str, content: Content, headers: Mapping[str, str]
) -> SandboxResponse:
    """Return the response with this content, or with the range of it that the request asks for.

    Args:
        request: it may have the headers `Range` and `If-Range`.
        settings: whether ranges are honoured, and the kind of ETag.
        name: what the ETag stands for.
        content: the whole content.
        headers: further headers.
    """
    etag = _etag(settings, f"{name} {content.size}")
    headers = dict(headers)
    if etag is not None:
        headers["ETag"] = etag
    if not settings.ranges:
        return SandboxResponse(200, headers=headers, content=content)
    headers["Accept-Ranges"] = "bytes"
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or not _is_current(request.headers.get("if-range"), etag):
        return SandboxResponse(200, headers=headers, content=content)
    first, stop = _limits(found, content.size)
    if first >= stop:
        return failure(ERROR_SPECS[416], {"Content-Range": f"bytes */{content.size}"})
    headers["Content-Range"] = f"bytes {first}-{stop - 1}/{content.size}"
    return SandboxResponse(206, headers=headers, content=Slice(content, first, stop))


def _etag(settings: SandboxSettings, name: str) -> str | None:
    if settings.etag == "missing":
        return None
    if settings.etag == "changing":
        name = f"{name} {next(_responses)}"
    value = f'"{hashlib.sha256(name.encode()).hexdigest()[:16]}"'
    return f"W/{value}" if settings.etag == "weak" else value


def _is_current(condition: str | None, etag: str | None) -> bool:
    """Whether `If-Range` allows a range. A weak ETag never does."""
    return condition is None or (condition == etag and not condition.startswith("W/"))


def _limits(found: re.Match[str], size: int) -> tuple[int, int]:
    if found[3]:
        return max(0, size - int(found[3])), size
    return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
