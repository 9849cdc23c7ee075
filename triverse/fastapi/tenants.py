"""Callers with keys of their own, over the connections that all of them share."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from fastapi import Depends, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from triverse import (
    APIError,
    AsyncTriverse,
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
    Request,
    Response,
)
from triverse.fastapi.lifespan import TriverseDep
from triverse.fastapi.problems import Problem, ProblemError

__all__ = ["BEARER", "TenantDep", "TenantKeyError", "TenantPermissionError", "get_tenant"]

T = TypeVar("T")
E = TypeVar("E", bound=APIError)

BEARER: Final = HTTPBearer(scheme_name="TriverseKey", description="Your own Triverse API key.", auto_error=False)


class TenantKeyError(AuthenticationError):
    """401 for the caller's key, not for the application's own."""


class TenantPermissionError(PermissionDeniedError):
    """403 for the caller's key, not for the application's own."""


class _Tenant(AsyncTriverse):
    """The shared client with a caller's key. Its errors have classes of their own."""

    async def send(self, request: Request[T]) -> Response[T]:
        try:
            return await super().send(request)
        except AuthenticationError as error:
            raise _convert(TenantKeyError, error) from error
        except PermissionDeniedError as error:
            raise _convert(TenantPermissionError, error) from error


def _convert(kind: type[E], error: APIError) -> E:
    return kind(
        error.message,
        status_code=error.status_code,
        code=error.code,
        suggestion=error.suggestion,
        headers=error.headers,
        retry_after=error.retry_after,
    )


async def get_tenant(
    client: TriverseDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> AsyncTriverse:
    """Depend on the application's client, with the key that the caller sends as `Authorization: Bearer`.

    Raises:
        ProblemError: 401, because there is no key, or because the value cannot be one.
    """
    if credentials is None:
        raise _unauthorized("Send your Triverse API key: `Authorization: Bearer <API key>`.", "Bearer")
    try:
        tenant = client.with_options(api_key=credentials.credentials)
    except ConfigurationError:
        raise _unauthorized("This cannot be a Triverse API key.", 'Bearer error="invalid_token"') from None
    # with_options() gives a client of the shared one's class, and only it knows how to share the connections.
    tenant.__class__ = _Tenant
    return tenant


def _unauthorized(detail: str, challenge: str) -> ProblemError:
    return ProblemError(Problem(status.HTTP_401_UNAUTHORIZED, detail), {"WWW-Authenticate": challenge})


TenantDep = Annotated[AsyncTriverse, Depends(get_tenant)]
"""The application's client, with the key that the caller sends as `Authorization: Bearer`."""
