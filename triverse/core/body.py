"""From the bytes of a response body to a JSON value, whatever a server makes of them."""

from __future__ import annotations

import json
import zlib
from typing import Final

from triverse.core.headers import Headers

__all__ = ["MAX_BODY_BYTES", "BodyError", "TooLargeError", "parse"]

# Decompressed. No answer of this API comes near it; what does is an accident or an attack.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class BodyError(Exception):
    """The body cannot be read. The message says why, without quoting it."""


class TooLargeError(BodyError):
    """The body is larger than `MAX_BODY_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"the response body is larger than {MAX_BODY_BYTES // 1024**2} MiB")


def parse(body: bytes, headers: Headers) -> object:
    """The JSON value in a body.

    Raises:
        BodyError: too large, in no known encoding, or not JSON.
    """
    text = _decoded(body, headers)
    try:
        value: object = json.loads(text)
    except RecursionError:
        problem = "the response body is nested too deep"
    except (ValueError, MemoryError):
        problem = "the response body is not JSON" if text.strip() else "the response body is empty"
    else:
        return value
    raise BodyError(problem)


def _decoded(body: bytes, headers: Headers) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError
    encoding = (headers.find(b"content-encoding") or "").strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _inflated(body)
    problem = "the response body has a content encoding that was not asked for"
    raise BodyError(problem)


def _inflated(body: bytes) -> bytes:
    """Decompress, but never more than the limit: a few bytes can claim gigabytes."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        inflated = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        inflated = b""
    if len(inflated) > MAX_BODY_BYTES:
        raise TooLargeError
    if inflater.eof and not inflater.unused_data:
        return inflated
    problem = "the response body is damaged: it does not decompress"
    raise BodyError(problem)
