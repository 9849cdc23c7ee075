"""From the bytes of a response to its payload, or to the error that it reports.

A success is `{"code": 0, "message": "success", "data": …}`; a failure has another code, a message and sometimes a
suggestion. A proxy in between may send HTML, nothing, or JSON of its own: its status decides the class of the error.

These functions return errors instead of raising them, so that no traceback frame keeps the response body alive.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar, cast

from triverse.core.api_errors import APIError, error_class
from triverse.core.attempt import Reply
from triverse.core.errors import InvalidResponseError, TriverseError
from triverse.core.headers import Headers
from triverse.core.retry import retry_after
from triverse.core.text import truncate
from triverse.core.validation import MismatchError

__all__ = ["MAX_BODY_BYTES", "BodyError", "TooLargeError", "decompress", "parse", "unwrap"]

T = TypeVar("T")


def unwrap(
    reply: Reply, request_text: str, structure: Callable[[object, str], T], wall_clock: Callable[[], float]
) -> T | TriverseError:
    """Return the payload of a successful response, else the error: `InvalidResponseError` or a kind of `APIError`.

    Args:
        reply: the response.
        request_text: method and URL of the request, for the text of errors.
        structure: converts the payload.
        wall_clock: seconds since the epoch, for `Retry-After`.
    """
    success = HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES
    try:
        content = parse(reply.body, reply.headers)
    except BodyError as error:
        # For an error status the body does not matter, unless it was cut off at the size limit.
        if success or isinstance(error, TooLargeError):
            return _invalid(reply, request_text, str(error))
        content = None
    try:
        if success and _code(content) == 0:
            return structure(_field(content, "data"), "data")
    except MismatchError as error:
        return _invalid(reply, request_text, str(error), error.path)
    return _api_error(reply, content, wall_clock)


def _code(content: object) -> int:
    code = _field(content, "code")
    if type(code) is not int:
        raise MismatchError.of("a whole number", code, "code")
    return code


def _field(content: object, name: str) -> object:
    if not isinstance(content, dict):
        raise MismatchError.of("an object", content, "body")
    fields = cast("dict[str, object]", content)
    if name not in fields:
        raise MismatchError("missing", name)
    return fields[name]


def _invalid(reply: Reply, request_text: str, problem: str, path: str | None = None) -> InvalidResponseError:
    return InvalidResponseError(
        f"unexpected response to {request_text} (HTTP {reply.status}): {_redacted_text(reply, problem)}. "
        "Check the base URL; if it is correct, update triverse",
        status_code=reply.status,
        headers=reply.headers,
        path=_redacted_text(reply, path),
    )


def _api_error(reply: Reply, content: object, wall_clock: Callable[[], float]) -> APIError:
    facts = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    code = facts.get("code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    message = _redacted_text(reply, facts.get("message")) or _redacted_text(reply, _detail(facts.get("detail")))
    return error_class(reply.status, code)(
        message or _reason_phrase(reply.status),
        status_code=reply.status,
        code=code,
        suggestion=_redacted_text(reply, facts.get("suggestion")),
        headers=reply.headers,
        retry_after=retry_after(reply.headers, wall_clock),
    )


def _detail(detail: object) -> object:
    """Return the text of FastAPI's own `detail`: a string, an object with a message, or a list of validation errors."""
    if isinstance(detail, dict):
        return cast("dict[str, object]", detail).get("message")
    if isinstance(detail, list):
        return "; ".join(filter(None, map(_validation_error_text, cast("list[object]", detail))))
    return detail


def _validation_error_text(entry: object) -> str | None:
    """Return location and message of one of FastAPI's validation errors."""
    fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    location, message = fields.get("loc"), fields.get("msg")
    if not isinstance(location, list) or not isinstance(message, str):
        return None
    path = ".".join(str(segment) for segment in cast("list[object]", location) if isinstance(segment, (str, int)))
    return f"{path}: {message}"


def _redacted_text(reply: Reply, text: object) -> str | None:
    """Return a text of the server without the key, at most 2,000 characters; None if it is empty or no text."""
    if not isinstance(text, str) or not text.strip():
        return None
    printable = text.encode("utf-8", "replace").decode()
    return truncate(reply.key.redact(printable) if reply.key else printable)


def _reason_phrase(status: int) -> str:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return "The service reported an error without a message"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"


# After decompression. No response of this API is nearly as large.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class BodyError(Exception):
    """The body cannot be read. The message has the reason, and no part of the body."""


class TooLargeError(BodyError):
    """The body is larger than `MAX_BODY_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"the response body is larger than {MAX_BODY_BYTES // 1024**2} MiB")


def parse(body: bytes, headers: Headers) -> object:
    """Return the JSON value of a body.

    Raises:
        BodyError: too large, in no known encoding, or not JSON.
    """
    text = decompress(body, headers)
    try:
        value = _json_value(text)
    except RecursionError:
        problem = "the response body is nested too deep"
    except (ValueError, MemoryError):
        problem = "the response body is not JSON" if text.strip() else "the response body is empty"
    else:
        return value
    raise BodyError(problem)


def _json_value(text: bytes) -> object:
    try:
        return cast("object", json.loads(text))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # an integer has more digits than Python converts, see `sys.set_int_max_str_digits()`
        return cast("object", json.loads(text, parse_int=_int_or_infinity))


def _int_or_infinity(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:
        return float(digits)  # like 1e999, which is refused by the path of its field


def decompress(body: bytes, headers: Headers) -> bytes:
    """Return the bytes of a body without its content encoding.

    Raises:
        BodyError: too large, damaged, or in an encoding that was not asked for.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError
    encoding = (headers.get_first(b"content-encoding") or "").strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _inflated(body)
    problem = "the response body has a content encoding that was not requested"
    raise BodyError(problem)


def _inflated(body: bytes) -> bytes:
    """Decompress, up to the limit: a few bytes can expand to gigabytes."""
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
