"""Errors that the service reports, by HTTP status and by its own code. The whole tree is drawn in `errors`."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from triverse.core.errors import TriverseError
from triverse.core.headers import Headers
from triverse.core.text import to_single_line

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "InsufficientCreditsError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "ServiceUnavailableError",
    "error_class",
]


class APIError(TriverseError):
    """The API reported an error.

    Attributes:
        status_code: HTTP status of the response.
        code: the service's own error number, such as 2010; None if it sent none.
        message: the service's description of the error.
        suggestion: the service's advice; None if it sent none.
        request_id: the service's id of the request, to quote to support; None if it sent none.
        headers: headers of the response.
        retry_after: seconds that the service asks to wait; None if it sent no such header.
        method: HTTP method of the last request; None if there was none.
        url: URL of the last request, without query and key; None if there was none.
    """

    method: str | None = None
    url: str | None = None

    remedy: ClassVar[str] = "Check the base URL and the service's documentation."
    """Advice for errors of this class, used if the service sent none."""

    def __init__(  # noqa: PLR0913 - one argument for each field of the error
        self,
        message: str,
        *,
        status_code: int,
        code: int | None = None,
        suggestion: str | None = None,
        headers: Headers | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.suggestion = suggestion
        self.headers: Headers = Headers() if headers is None else headers
        self.request_id: str | None = self.headers.request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        facts = [f"HTTP {self.status_code}"]
        if self.code is not None:
            facts.append(f"code {self.code}")
        if self.request_id is not None:
            facts.append(f"request {self.request_id}")
        where = "" if self.method is None else f"{self.method} {self.url}: "
        what = f"{self.message.rstrip('.')} ({where}{', '.join(facts)})"
        return to_single_line(f"{what}. {self._advice()}")

    def _advice(self) -> str:
        suggestion = self.suggestion or ""
        if suggestion and self._hint and suggestion[-1] not in ".!?":
            suggestion += "."
        return " ".join(filter(None, [suggestion, self._hint])) or self.remedy


class BadRequestError(APIError):
    """400 or 422: the service does not accept the parameters."""

    remedy = "Correct the parameters of the call."


class AuthenticationError(APIError):
    """401: the key is missing, unknown or revoked."""

    remedy = "Check the API key."

    def _advice(self) -> str:
        # The service suggests which header to send, but the user of this package sets a key, not a header.
        return self._hint or self.remedy


class InsufficientCreditsError(APIError):
    """Code 2010 (HTTP 403), or 402: the API credits do not cover the cost."""

    remedy = "Buy API credits, or wait for running tasks to release theirs."


class PermissionDeniedError(APIError):
    """403 for any reason but credits: the key may not do this."""

    remedy = "Use a key that is allowed to do this."


class NotFoundError(APIError):
    """404: the resource does not exist, or belongs to another account."""

    remedy = "Check the id, and that it belongs to this account."


class ConflictError(APIError):
    """409: the state of the resource does not allow this now."""

    remedy = "Check the current state before trying again."


class RateLimitError(APIError):
    """429: too many requests, or the task queue is full. `retry_after` is the time to wait in seconds, or None."""

    remedy = "Slow down, and try again later."


class ServerError(APIError):
    """5xx: the service failed."""

    remedy = "Try again later."


class ServiceUnavailableError(ServerError):
    """503: a part of the service is unavailable."""


_INSUFFICIENT_CREDITS = 2010

# The documented status of each code, for responses that have the code under a 2xx status.
_STATUS_OF_CODE = {
    1004: 400,
    1005: 404,
    1006: 404,
    2000: 429,
    2002: 400,
    2004: 400,
    2005: 409,
    2008: 400,
    4042: 404,
    5003: 503,
    5004: 500,
    5005: 500,
}

_CLASS_OF_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: BadRequestError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}


def error_class(status_code: int, code: int | None) -> type[APIError]:
    """Return the class of a response's error: by the code if the status does not show the error, else by status."""
    if code == _INSUFFICIENT_CREDITS:
        return InsufficientCreditsError
    if status_code < HTTPStatus.MULTIPLE_CHOICES and code is not None:
        status_code = _STATUS_OF_CODE.get(code, status_code)
    fallback = ServerError if 500 <= status_code <= 599 else APIError  # noqa: PLR2004 - 5xx
    return _CLASS_OF_STATUS.get(status_code, fallback)
