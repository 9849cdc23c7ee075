"""Problem documents in the application's OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from triverse.fastapi.problems import MEDIA_TYPE, SCHEMA
from triverse.fastapi.tenants import BEARER

__all__ = ["document_problems"]

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_ONLY_WITH_A_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NAME: Final = "TriverseProblem"
_RETRY_AFTER: Final = ("Retry-After", "integer", "Seconds to wait, if Triverse sent them.")
_HEADERS: Final[Mapping[HTTPStatus, tuple[str, str, str]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "string", "How to send the key."),
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.BAD_GATEWAY: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}


def document_problems(app: FastAPI, statuses: Iterable[HTTPStatus]) -> None:
    """Add problem documents of these statuses to each operation that does not describe them itself."""
    describe, ordered = app.openapi, sorted(statuses)

    def openapi() -> dict[str, Any]:
        description = describe()
        description.setdefault("components", {}).setdefault("schemas", {})[_NAME] = SCHEMA
        for operation in _operations(description):
            _document(operation, ordered)
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description.get("paths", {}).values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


def _document(operation: dict[str, Any], statuses: list[HTTPStatus]) -> None:
    takes_key = any(BEARER.scheme_name in requirement for requirement in operation.get("security", ()))
    for status in statuses:
        if takes_key or status not in _ONLY_WITH_A_KEY:
            operation["responses"].setdefault(str(status.value), _response(status))


def _response(status: HTTPStatus) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{_NAME}"}
    response: dict[str, object] = {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
    if status in _HEADERS:
        name, kind, description = _HEADERS[status]
        response["headers"] = {name: {"description": description, "schema": {"type": kind}}}
    return response
