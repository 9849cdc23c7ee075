"""Problem documents, as defined by RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from attrs import field, frozen
from fastapi import HTTPException
from fastapi.responses import JSONResponse

__all__ = ["MEDIA_TYPE", "SCHEMA", "Problem", "ProblemError", "problem_response"]

MEDIA_TYPE: Final = "application/problem+json"

SCHEMA: Final[dict[str, object]] = {
    "title": "TriverseProblem",
    "description": "A problem document, as defined by RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": True,
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: the status is the kind of the problem."},
        "title": {"type": "string", "description": "The reason phrase of the status."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened and what to do, for people."},
        "code": {"type": "integer", "description": "Triverse's own error number, if it sent one."},
        "request_id": {"type": "string", "description": "Triverse's id of the request, to quote to its support."},
        "task_uuid": {"type": "string", "description": "The id of the task, if the problem is about one."},
        "cost": {"type": "number", "description": "The API credits that the request would cost."},
    },
}


@frozen
class Problem:
    """One problem.

    Attributes:
        status: HTTP status of the response.
        detail: what happened and what to do, for people.
        members: further members of the document; those that are None are left out.
    """

    status: int
    detail: str
    members: Mapping[str, object] = field(factory=dict[str, object])

    def document(self) -> dict[str, object]:
        """Return the document, as a JSON object."""
        basics = {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.detail}
        members = {name: value for name, value in self.members.items() if value is not None}
        return {"type": "about:blank", **basics, **members}


class ProblemError(HTTPException):
    """Ends a request with a problem document; without `install_error_handlers`, with FastAPI's own kind of error.

    Attributes:
        problem: the content of the document.
    """

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.status, problem.detail, headers)
        self.problem = problem


def problem_response(error: ProblemError) -> JSONResponse:
    """Return the response to a request that ended with this error."""
    return JSONResponse(error.problem.document(), error.status_code, error.headers, MEDIA_TYPE)
