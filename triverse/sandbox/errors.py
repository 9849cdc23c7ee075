"""The errors that the service documents: code, HTTP status, message, suggestion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from triverse.core.api_errors import APIError, BadRequestError, error_class

__all__ = ["ERROR_SPECS", "ErrorSpec", "InvalidFieldError", "api_error", "find_error_spec"]


class ErrorSpec(NamedTuple):
    """One row of the service's table of errors."""

    code: int
    status: int
    message: str
    suggestion: str | None = None


_ROWS: Final = (
    ErrorSpec(1004, 400, "Invalid parameters.", "Correct the request."),
    ErrorSpec(1005, 404, "Resource not found, or no permission for it.", "Check the address."),
    ErrorSpec(1006, 404, "Task not found, or another user's.", "Check the id of the task."),
    ErrorSpec(2000, 429, "Rate limit exceeded, or the task queue is full.", "Try again later."),
    ErrorSpec(2002, 400, "Unsupported task type.", "Choose another type."),
    ErrorSpec(2004, 400, "Unsupported file format.", "Convert the file."),
    ErrorSpec(2005, 409, "Conflict: the task's state does not allow it.", "Look at the task's state first."),
    ErrorSpec(2008, 400, "Content violation.", "Change the content."),
    ErrorSpec(2010, 403, "Insufficient API credits.", "Buy API credits, or wait for running tasks."),
    ErrorSpec(4042, 404, "The task has no downloadable asset.", "Choose another task."),
    ErrorSpec(5003, 503, "A backend service is down.", "Try again later."),
    ErrorSpec(5004, 500, "Invalid flow.", "Report this."),
    ErrorSpec(5005, 500, "Persistence error.", "Try again later."),
    # The service documents no number for these, so the sandbox uses the HTTP status.
    ErrorSpec(401, 401, "The API key is missing or wrong.", "Send the header Authorization: Bearer <API key>."),
    ErrorSpec(403, 403, "The API key may not do this.", "Use a key that may."),
    ErrorSpec(405, 405, "The method is not allowed here.", "Use the one in the header Allow."),
    ErrorSpec(416, 416, "The requested range is not part of the file.", "Request a range within the file."),
    ErrorSpec(501, 501, "The sandbox cannot answer.", "Look at sandbox.faults.errors."),
)

ERROR_SPECS: Final[Mapping[int, ErrorSpec]] = {row.code: row for row in _ROWS}
"""Every error of the sandbox, by its code."""

# Where several codes share a status, the first stands for it; a 403 without a code is about permission, not credits.
_SPEC_OF_STATUS: Final = {row.status: row for row in reversed(_ROWS)} | {403: ERROR_SPECS[403]}


def find_error_spec(status: int | None, code: int | None) -> ErrorSpec:
    """Return the row for a status, a code, or both; a generic one if the service documents none."""
    known = _SPEC_OF_STATUS.get(status or 0) if code is None else ERROR_SPECS.get(code)
    row = known or ErrorSpec(code or status or 500, status or 500, "Something happened.", "Try again later.")
    return row._replace(status=status or row.status)


def api_error(code: int, message: str | None = None) -> APIError:
    """Return the error that a client raises for this code, with this message or the documented one."""
    row = ERROR_SPECS[code]
    kind = error_class(row.status, row.code)
    return kind(message or row.message, status_code=row.status, code=row.code, suggestion=row.suggestion)


class InvalidFieldError(BadRequestError):
    """Code 1004: a field of the request is wrong.

    Attributes:
        field: path of the field, such as `body.prompt`.
        problem: what is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        row = ERROR_SPECS[1004]
        super().__init__(
            f"Invalid parameters: {field}: {problem}.",
            status_code=row.status,
            code=row.code,
            suggestion=row.suggestion,
        )
        self.field = field
        self.problem = problem
