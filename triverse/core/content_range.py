"""Continuing a download where it broke, by RFC 9110: `Range`, `If-Range` and `Content-Range`."""

from __future__ import annotations

import re
from typing import Final

from triverse.core.headers import Headers

__all__ = ["content_length", "continues_at", "is_encoded", "range_headers", "strong_etag"]

_STRONG_ETAG: Final = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_CONTENT_RANGE: Final = re.compile(r"bytes +(\d{1,18})-(\d{1,18})/(\d{1,18})")
_LENGTH: Final = re.compile(r"\d{1,18}")


def strong_etag(headers: Headers) -> str | None:
    """Return the `ETag` if it is strong: the bytes behind a weak one may differ."""
    value = (headers.get_first(b"etag") or "").strip()
    return value if _STRONG_ETAG.fullmatch(value) else None


def content_length(headers: Headers) -> int | None:
    """Return the `Content-Length`; None if there is none."""
    value = (headers.get_first(b"content-length") or "").strip()
    return int(value) if _LENGTH.fullmatch(value) else None


def is_encoded(headers: Headers) -> bool:
    """Whether the body is compressed, although that was not asked for."""
    value = (headers.get_first(b"content-encoding") or "").strip().lower()
    return value not in {"", "identity"}


def range_headers(offset: int, etag: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that ask for the rest of a file, or for the whole file if it has changed."""
    return ("Range", f"bytes={offset}-"), ("If-Range", etag)


def continues_at(headers: Headers, offset: int, total: int, etag: str) -> bool:
    """Whether a 206 response has the rest of the same file from this offset on."""
    found = _CONTENT_RANGE.fullmatch((headers.get_first(b"content-range") or "").strip())
    if found is None or headers.get("etag", etag).strip() != etag:
        return False
    first, last, size = (int(number) for number in found.groups())
    return first == offset and offset <= last < size == total
