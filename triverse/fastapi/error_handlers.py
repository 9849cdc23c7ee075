"""From the error tree to answers for the application's own callers."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

from attrs import frozen
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from triverse import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    InsufficientCreditsError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    TransportError,
    TriverseError,
)
from triverse.fastapi.openapi import document_problems
from triverse.fastapi.problems import Problem, ProblemError, answer
from triverse.fastapi.tenants import TenantKeyError, TenantPermissionError

__all__ = ["install_error_handlers"]

_logger = logging.getLogger("triverse.fastapi")


@frozen
class _Answer:
    """What callers are told of an error; no detail of ours where Triverse's own words are of use to them."""

    status: HTTPStatus
    detail: str | None = None
    challenge: str | None = None


_MISCONFIGURED: Final = "This application's own access to Triverse does not work. Its operators have to mend it."

# The class that is nearest to the error's own decides.
_ANSWERS: Final[Mapping[type, _Answer]] = {
    TenantKeyError: _Answer(
        HTTPStatus.UNAUTHORIZED, "Triverse does not accept this API key.", 'Bearer error="invalid_token"'
    ),
    TenantPermissionError: _Answer(HTTPStatus.FORBIDDEN),
    BadRequestError: _Answer(HTTPStatus.BAD_REQUEST),
    InsufficientCreditsError: _Answer(HTTPStatus.PAYMENT_REQUIRED),
    NotFoundError: _Answer(HTTPStatus.NOT_FOUND),
    ConflictError: _Answer(HTTPStatus.CONFLICT),
    RateLimitError: _Answer(HTTPStatus.TOO_MANY_REQUESTS),
    AuthenticationError: _Answer(HTTPStatus.BAD_GATEWAY, _MISCONFIGURED),
    PermissionDeniedError: _Answer(HTTPStatus.BAD_GATEWAY, _MISCONFIGURED),
    ConfigurationError: _Answer(HTTPStatus.INTERNAL_SERVER_ERROR, _MISCONFIGURED),
    TransportError: _Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Triverse cannot be reached. Try again later."),
    ServiceUnavailableError: _Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Triverse is down. Try again later."),
    InvalidResponseError: _Answer(HTTPStatus.BAD_GATEWAY, "Triverse gave an answer that makes no sense."),
    TriverseError: _Answer(HTTPStatus.BAD_GATEWAY, "Triverse failed. Try again later."),
}


def install_error_handlers(app: FastAPI) -> None:
    """Answer with problem documents (RFC 9457) to whatever goes wrong with Triverse, and describe them in the OpenAPI.

    An application that is mounted below another has handlers of its own: call this for each.

    | what happened | answer |
    |---|---|
    | the caller's own key is missing or not accepted | 401, with `WWW-Authenticate` |
    | the caller's own key may not do this | 403 |
    | out of credits | 402 |
    | Triverse does not accept the parameters; there is no such thing; its state does not allow it | 400; 404; 409 |
    | rate limit | 429, with `Retry-After` where Triverse says it |
    | the application's own key is not accepted, or may not do this | 502, and an error in the log |
    | Triverse failed, or its answer makes no sense | 502 |
    | Triverse is down, cannot be reached, or takes too long | 503, with `Retry-After` where Triverse says it |
    | the application is not configured | 500, and an error in the log |
    """
    app.add_exception_handler(TriverseError, _on_triverse_error)
    app.add_exception_handler(ProblemError, _on_problem)
    document_problems(app, {answer.status for answer in _ANSWERS.values()})


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    return answer(cast("ProblemError", error))


async def _on_triverse_error(_request: Request, error: Exception) -> JSONResponse:
    problem = _problem_of(cast("TriverseError", error))
    if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("answered %d: %s", problem.status_code, error)
    return answer(problem)


def _problem_of(error: TriverseError) -> ProblemError:
    told = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    detail = told.detail or _in_its_own_words(error)
    more: dict[str, object] = {"code": getattr(error, "code", None), "request_id": getattr(error, "request_id", None)}
    return ProblemError(Problem(told.status, detail, more), _headers(told, error))


def _in_its_own_words(error: TriverseError) -> str:
    said = cast("APIError", error)
    return f"{said.message.rstrip('.')}. {said.suggestion or said.remedy}".rstrip()


def _headers(told: _Answer, error: TriverseError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if told.challenge is not None:
        headers["WWW-Authenticate"] = told.challenge
    if isinstance(error, APIError) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return headers
