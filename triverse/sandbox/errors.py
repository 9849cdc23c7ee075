"""The errors that the service documents: code, HTTP status, message, suggestion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from triverse.core.api_errors import APIError

__all__ = ["DOCUMENTED", "Documented", "api_error", "documented"]

E = TypeVar("E", bound=APIError)


class Documented(NamedTuple):
    """One row of the service's table of errors."""

    code: int
    status: int
    message: str
    suggestion: str | None = None


_ROWS: Final = (
    Documented(1004, 400, "Invalid parameters.", "Correct the request."),
    Documented(1005, 404, "Resource not found, or no permission for it.", "Check the address."),
    Documented(1006, 404, "Task not found, or another user's.", "Check the id of the task."),
    Documented(2000, 429, "Rate limit exceeded, or the task queue is full.", "Try again later."),
    Documented(2002, 400, "Unsupported task type.", "Choose another type."),
    Documented(2004, 400, "Unsupported file format.", "Convert the file."),
    Documented(2005, 409, "Conflict: the task's state does not allow it.", "Look at the task's state first."),
    Documented(2008, 400, "Content violation.", "Change the content."),
    Documented(2010, 403, "Insufficient API credits.", "Buy API credits, or wait for running tasks."),
    Documented(4042, 404, "The task has no downloadable asset.", "Choose another task."),
    Documented(5003, 503, "A backend service is down.", "Try again later."),
    Documented(5004, 500, "Invalid flow.", "Report this."),
    Documented(5005, 500, "Persistence error.", "Try again later."),
    # The service gives no number of its own for these.
    Documented(401, 401, "The API key is missing or wrong.", "Send the header Authorization: Bearer <API key>."),
    Documented(403, 403, "The API key may not do this.", "Use a key that may."),
    Documented(405, 405, "The method is not allowed here.", "Use the one in the header Allow."),
)

DOCUMENTED: Final[Mapping[int, Documented]] = {row.code: row for row in _ROWS}
"""Every error that the sandbox knows, by its code."""

# Where several codes share a status, the first stands for it; a bare 403 is about permission, not credits.
_OF_STATUS: Final = {row.status: row for row in reversed(_ROWS)} | {403: DOCUMENTED[403]}


def documented(status: int | None, code: int | None) -> Documented:
    """The row for a status, a code, or both; one made up where the service documents none."""
    known = _OF_STATUS.get(status or 0) if code is None else DOCUMENTED.get(code)
    row = known or Documented(code or status or 500, status or 500, "Something happened.")
    return row._replace(status=status or row.status)


def api_error(kind: type[E], code: int, message: str | None = None) -> E:
    """What a client of the service would raise for this code, with this message or the documented one."""
    row = DOCUMENTED[code]
    return kind(message or row.message, status_code=row.status, code=row.code, suggestion=row.suggestion)
