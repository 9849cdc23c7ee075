"""Which error an answer stands for: by the service's own code where the status hides it, else by status."""

from __future__ import annotations

from http import HTTPStatus

from triverse.core.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InsufficientCreditsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
)

__all__ = ["error_class"]

_INSUFFICIENT_CREDITS = 2010

# Which status a documented code comes with, for the answers that carry it under a 2xx.
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
    """The class for an answer: by code where the status hides it, else by status."""
    if code == _INSUFFICIENT_CREDITS:
        return InsufficientCreditsError
    if status_code < HTTPStatus.MULTIPLE_CHOICES and code is not None:
        status_code = _STATUS_OF_CODE.get(code, status_code)
    fallback = ServerError if 500 <= status_code <= 599 else APIError  # noqa: PLR2004 - 5xx
    return _CLASS_OF_STATUS.get(status_code, fallback)
