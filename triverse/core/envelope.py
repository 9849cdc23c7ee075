"""The frame around every answer: from a reply to its payload, or to the error that it stands for.

Success is `{"code": 0, "message": "success", "data": …}`; failure has another code, a message and perhaps a suggestion.
In between sit proxies that answer HTML, nothing, or JSON of their own: those become the right error by status.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from triverse.core.body import BodyError, TooLargeError, parse
from triverse.core.errors import APIError, InvalidResponseError, error_class
from triverse.core.events import Reply
from triverse.core.retry import retry_after
from triverse.core.structure import MismatchError, field_of

__all__ = ["unwrap"]

T = TypeVar("T")


def unwrap(reply: Reply, structure: Callable[[object, str], T], wall_clock: Callable[[], float]) -> T:
    """The payload of a successful answer.

    Raises:
        InvalidResponseError: the answer is not what the API documents.
        APIError: the API said no.
    """
    success = HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES
    try:
        answer = parse(reply.body, reply.headers)
    except BodyError as error:
        # A failure is told by its status, whatever its body; but past the limit the reading stopped.
        if success or isinstance(error, TooLargeError):
            raise _invalid(reply, str(error)) from None
        answer = None
    if not success:
        raise _api_error(reply, answer, wall_clock)
    try:
        if field_of(answer, "code", int) == 0:
            return structure(field_of(answer, "data", object), "data")
    except MismatchError as error:
        raise _invalid(reply, str(error), error.path) from None
    raise _api_error(reply, answer, wall_clock)


def _invalid(reply: Reply, problem: str, path: str | None = None) -> InvalidResponseError:
    message = (
        f"{problem}. The service or something in front of it answered HTTP {reply.status} "
        "with what its API does not document"
    )
    return InvalidResponseError(message, status_code=reply.status, headers=reply.headers, path=path)


def _api_error(reply: Reply, answer: object, wall_clock: Callable[[], float]) -> APIError:
    facts: dict[str, object] = answer if isinstance(answer, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON has no other keys
    code = facts.get("code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    return error_class(reply.status, code)(
        _shown(reply, _message(facts)) or _phrase(reply.status),
        status_code=reply.status,
        code=code,
        suggestion=_shown(reply, facts.get("suggestion")),
        headers=reply.headers,
        retry_after=retry_after(reply.headers, wall_clock),
    )


def _message(facts: dict[str, object]) -> object:
    """What it says happened, also in the shape of FastAPI's own errors."""
    detail = facts.get("detail")
    otherwise = json.dumps(detail) if isinstance(detail, (list, dict)) else detail
    return facts.get("message") or otherwise


def _shown(reply: Reply, text: object) -> str | None:
    """Text of the server's that is safe to print; None if there is none."""
    if not isinstance(text, str) or not text.strip():
        return None
    printable = text.encode("utf-8", "replace").decode()
    return reply.key.redact(printable) if reply.key else printable


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"
