"""Callers with keys of their own, over the connections that all of them share."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from attrs import evolve
from fastapi import Depends, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from triverse import (
    APIError,
    AsyncTriverse,
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
    TriverseError,
)
from triverse.fastapi.app_client import TriverseDep
from triverse.fastapi.problems import Problem, ProblemError

__all__ = ["BEARER", "TenantDep", "TenantKeyError", "TenantPermissionError", "get_tenant"]

E = TypeVar("E", bound=APIError)

BEARER: Final = HTTPBearer(scheme_name="TriverseKey", description="Your own Triverse API key.", auto_error=False)


class TenantKeyError(AuthenticationError):
    """401 for the caller's key, not for the application's own."""


class TenantPermissionError(PermissionDeniedError):
    """403 for the caller's key, not for the application's own."""


def _tenant_error(error: TriverseError) -> TriverseError:
    """Return the error of a tenant's call, with a class of its own if it is about the tenant's key."""
    if isinstance(error, AuthenticationError):
        return _convert(TenantKeyError, error)
    return _convert(TenantPermissionError, error) if isinstance(error, PermissionDeniedError) else error


def _convert(kind: type[E], error: APIError) -> E:
    converted = kind(error.message, status_code=error.status_code)
    vars(converted).update(vars(error))
    return converted


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
    return tenant._with_engine(evolve(tenant._engine, convert_error=_tenant_error))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # not a public option


def _unauthorized(detail: str, challenge: str) -> ProblemError:
    return ProblemError(Problem(status.HTTP_401_UNAUTHORIZED, detail), {"WWW-Authenticate": challenge})


TenantDep = Annotated[AsyncTriverse, Depends(get_tenant)]
"""The application's client, with the key that the caller sends as `Authorization: Bearer`."""
