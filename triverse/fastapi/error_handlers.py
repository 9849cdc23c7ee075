"""Problem documents for the application's own callers, made from the errors of this package.

The class of an error decides the status; the nearest class in its inheritance that is in the table is used. An error
that the caller can act on is described in the service's words; any other gets a fixed text, and its details go into
the log. An HTTP request is answered by a problem document. A WebSocket is refused with one if the server supports that
and the connection was not accepted yet; otherwise it is closed with a close code and the text.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

from attrs import frozen
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from triverse import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    InsufficientCreditsError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    TaskCancelledError,
    TaskError,
    TransportError,
    TriverseError,
)
from triverse.fastapi.openapi import document_problems
from triverse.fastapi.problems import Problem, ProblemError, problem_response
from triverse.fastapi.tenants import TenantKeyError, TenantPermissionError

__all__ = ["install_error_handlers", "problem_of"]

_logger = logging.getLogger("triverse.fastapi")

_POLICY_VIOLATION: Final = 1008
_INTERNAL_ERROR: Final = 1011
_TRY_AGAIN_LATER: Final = 1013
# RFC 6455: a close frame holds 125 bytes, two of which are the code.
_MAX_REASON_BYTES: Final = 123

# Codes of a failed task that are about what the caller sent.
_CALLERS_FAULT: Final = frozenset({1004, 1005, 2002, 2004, 2008})


@frozen
class _ErrorMapping:
    """How one class of errors is answered.

    Attributes:
        status: HTTP status.
        detail: text for the caller; None uses the service's message and suggestion.
        challenge: value of `WWW-Authenticate`.
    """

    status: HTTPStatus
    detail: str | None = None
    challenge: str | None = None


_MISCONFIGURED: Final = "This application is not configured correctly for Triverse. Please contact its operator."

_MAPPINGS: Final[Mapping[type, _ErrorMapping]] = {
    TenantKeyError: _ErrorMapping(
        HTTPStatus.UNAUTHORIZED, "Triverse does not accept this API key.", 'Bearer error="invalid_token"'
    ),
    TenantPermissionError: _ErrorMapping(HTTPStatus.FORBIDDEN),
    BadRequestError: _ErrorMapping(HTTPStatus.BAD_REQUEST),
    InsufficientCreditsError: _ErrorMapping(HTTPStatus.PAYMENT_REQUIRED),
    NotFoundError: _ErrorMapping(HTTPStatus.NOT_FOUND),
    ConflictError: _ErrorMapping(HTTPStatus.CONFLICT),
    RateLimitError: _ErrorMapping(HTTPStatus.TOO_MANY_REQUESTS),
    AuthenticationError: _ErrorMapping(HTTPStatus.BAD_GATEWAY, _MISCONFIGURED),
    PermissionDeniedError: _ErrorMapping(HTTPStatus.BAD_GATEWAY, _MISCONFIGURED),
    ConfigurationError: _ErrorMapping(HTTPStatus.INTERNAL_SERVER_ERROR, _MISCONFIGURED),
    TransportError: _ErrorMapping(HTTPStatus.SERVICE_UNAVAILABLE, "Triverse cannot be reached. Try again later."),
    ServiceUnavailableError: _ErrorMapping(HTTPStatus.SERVICE_UNAVAILABLE, "Triverse is down. Try again later."),
    InvalidResponseError: _ErrorMapping(HTTPStatus.BAD_GATEWAY, "Triverse sent an unexpected response."),
    TaskCancelledError: _ErrorMapping(HTTPStatus.BAD_GATEWAY, "The Triverse task was cancelled."),
    TaskError: _ErrorMapping(HTTPStatus.BAD_GATEWAY, "The Triverse task failed."),
    TriverseError: _ErrorMapping(HTTPStatus.BAD_GATEWAY, "Triverse failed. Try again later."),
}


_TASK_STATUSES: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.GATEWAY_TIMEOUT)


def install_error_handlers(app: FastAPI) -> None:
    """Answer errors of Triverse with problem documents (RFC 9457), and describe them in the OpenAPI.

    An application that is mounted below another one has handlers of its own: call this for each.

    | error | status of the answer |
    |---|---|
    | the caller's own key is missing or not accepted | 401, with `WWW-Authenticate` |
    | the caller's own key may not do this | 403 |
    | not enough credits | 402 |
    | the service refuses the parameters; does not find it; its state forbids it | 400; 404; 409 |
    | rate limit | 429, with `Retry-After` if Triverse sent it |
    | a task failed because of what the caller sent | 422 |
    | a task failed for another reason, or was cancelled | 502 |
    | the application's own key is not accepted, or may not do this | 502, and an error in the log |
    | Triverse failed, or sent an unexpected response | 502 |
    | Triverse is down, cannot be reached, or takes too long | 503, with `Retry-After` if Triverse sent it |
    | waiting for a task took too long | 504 |
    | the application is not configured | 500, and an error in the log |

    A WebSocket is refused or closed: 1008 for statuses below 500, 1013 for 503, 1011 for the others.
    """
    # Starlette calls handlers for WebSockets, too, which its annotation does not include.
    app.add_exception_handler(TriverseError, _on_triverse_error)
    app.add_exception_handler(ProblemError, _on_problem)
    document_problems(app, {*_TASK_STATUSES, *(mapping.status for mapping in _MAPPINGS.values())})


async def _on_triverse_error(connection: Request, error: Exception) -> JSONResponse:
    problem = problem_of(cast("TriverseError", error))
    if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("answered %d: %s", problem.status_code, error)
    return await _on_problem(connection, problem)


async def _on_problem(connection: Request, error: Exception) -> JSONResponse:
    problem = cast("ProblemError", error)
    response = problem_response(problem)
    whole = cast("HTTPConnection", connection)
    if isinstance(whole, WebSocket):
        await _end_websocket(whole, problem, response)
        return cast("JSONResponse", None)  # Starlette sends no response if a handler returns None
    return response


async def _end_websocket(websocket: WebSocket, problem: ProblemError, response: JSONResponse) -> None:
    """Refuse a WebSocket that is not accepted yet, close one that is, and leave one that is closed."""
    if WebSocketState.DISCONNECTED in {websocket.client_state, websocket.application_state}:
        return
    connecting = websocket.application_state is WebSocketState.CONNECTING
    if connecting and "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response)
        return
    # If the connection is not accepted yet, servers answer this with HTTP 403.
    reason = problem.problem.detail.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    await websocket.close(_close_code(problem.status_code), reason)


def _close_code(status: int) -> int:
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _POLICY_VIOLATION
    return _TRY_AGAIN_LATER if status == HTTPStatus.SERVICE_UNAVAILABLE else _INTERNAL_ERROR


def problem_of(error: TriverseError) -> ProblemError:
    """Return the problem that describes an error to the application's callers."""
    mapping = next(_MAPPINGS[kind] for kind in type(error).__mro__ if kind in _MAPPINGS)
    if error.task_uuid is not None:
        mapping = _task_mapping(error, mapping)
    members: dict[str, object] = {
        "code": getattr(error, "code", None),
        "request_id": getattr(error, "request_id", None),
        "task_uuid": None if error.task_uuid is None else str(error.task_uuid),
    }
    detail = mapping.detail or _service_message(error)
    return ProblemError(Problem(mapping.status, detail, members), _headers(mapping, error))


def _task_mapping(error: TriverseError, mapping: _ErrorMapping) -> _ErrorMapping:
    """Return the mapping for an error of a wait: 504 for its timeout, 422 if the caller's input made the task fail."""
    if isinstance(error, DeadlineExceededError):
        return _ErrorMapping(HTTPStatus.GATEWAY_TIMEOUT, "The Triverse task takes too long. Ask for it again later.")
    details = None if error.task is None else error.task.error
    code = details.get("code") if isinstance(details, Mapping) else None
    # The shape of a task's error is not documented: a code may be anything, also what has no hash.
    if not isinstance(error, TaskError) or not isinstance(code, int) or code not in _CALLERS_FAULT:
        return mapping
    return _ErrorMapping(HTTPStatus.UNPROCESSABLE_ENTITY, error.task.reason or mapping.detail)


def _service_message(error: TriverseError) -> str:
    api_error = cast("APIError", error)  # only classes below APIError have no fixed text
    return f"{api_error.message.rstrip('.')}. {api_error.suggestion or api_error.remedy}".rstrip()


def _headers(mapping: _ErrorMapping, error: TriverseError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if mapping.challenge is not None:
        headers["WWW-Authenticate"] = mapping.challenge
    if isinstance(error, APIError) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return headers
