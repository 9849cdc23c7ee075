"""Problem documents, as RFC 9457 has them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from attrs import field, frozen
from fastapi import HTTPException
from fastapi.responses import JSONResponse

__all__ = ["MEDIA_TYPE", "SCHEMA", "Problem", "ProblemError", "answer"]

MEDIA_TYPE: Final = "application/problem+json"

SCHEMA: Final[dict[str, object]] = {
    "title": "TriverseProblem",
    "description": "What went wrong, as RFC 9457 has it.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": True,
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: the status says what kind of problem it is."},
        "title": {"type": "string", "description": "The phrase that goes with the status."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened and what to do, for people."},
        "code": {"type": "integer", "description": "Triverse's own error number, where it gave one."},
        "request_id": {"type": "string", "description": "Triverse's id of the request, to quote to its support."},
        "cost": {"type": "number", "description": "The API credits that the request would cost."},
    },
}


@frozen
class Problem:
    """What went wrong.

    Attributes:
        status: HTTP status of the answer.
        detail: what happened and what to do, for people.
        more: further members of the document; those that are None are left out.
    """

    status: int
    detail: str
    more: Mapping[str, object] = field(factory=dict[str, object])

    def document(self) -> dict[str, object]:
        """The document, as JSON has it."""
        basics = {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.detail}
        more = {name: value for name, value in self.more.items() if value is not None}
        return {"type": "about:blank", **basics, **more}


class ProblemError(HTTPException):
    """Ends a request with a problem document; without `install_error_handlers`, with FastAPI's own kind of error.

    Attributes:
        problem: what the document says.
    """

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.status, problem.detail, headers)
        self.problem = problem


def answer(error: ProblemError) -> JSONResponse:
    """The answer to the request that ended so."""
    return JSONResponse(error.problem.document(), error.status_code, error.headers, MEDIA_TYPE)
