"""The description of the API that the service does not publish: OpenAPI 3.1.

Endpoints with a result class are described by that class, the others by `schemas`. Descriptions of fields come from
docstrings. Under `-OO` Python drops these, and the rest is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Final, TypeGuard, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs

from triverse._docstrings import field_descriptions
from triverse._version import __version__
from triverse.core.result import EXTRA_FIELD, Result
from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.routes import ROUTES, Route
from triverse.sandbox.schemas import Schema, envelope, json_content

__all__ = ["DESCRIPTION_PATH", "document"]

DESCRIPTION_PATH: Final = "/openapi.json"

_SERVICE: Final = "https://api.triverse.ai/api/v1"
_SCALARS: Final[dict[object, dict[str, str]]] = {
    float: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
    NoneType: {"type": "null"},
}


@cache
def document(server: str = _SERVICE, routes: tuple[Route, ...] = ROUTES) -> bytes:
    """Return the description of these endpoints as JSON, for clients of the server at this URL."""
    return json.dumps(_document(server, routes), indent=2).encode() + b"\n"


def _document(server: str, routes: tuple[Route, ...]) -> dict[str, object]:
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.request.path, {})[route.request.method.lower()] = _operation(route)
    results = [into for route in routes if _is_result(into := route.request.into)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Triverse API",
            "description": "Made by the Python SDK from its result classes and from the documentation of the service, "
            "which publishes no description.",
            "version": __version__,
        },
        "servers": [{"url": server}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            "schemas": {result.__name__: _schema(result) for result in results} | {"Error": _error_schema()},
            "responses": {"Error": {"description": "An error.", **json_content(_ref("schemas", "Error"))}},
        },
    }


def _is_result(into: type[object]) -> TypeGuard[type[Result]]:
    # From Python 3.12 on, `dict[str, object]` is no class for issubclass().
    return get_origin(into) is None and issubclass(into, Result)


def _operation(route: Route) -> dict[str, object]:
    errors = {status: _ref("responses", "Error") for status in route.error_statuses}
    parts = dict(route.operation) if route.operation else _operation_of(route)
    responses = cast("Mapping[str, object]", parts.pop("responses"))
    parameters = [*_path_parameters(route.request.path), *cast("list[object]", parts.pop("parameters", []))]
    return {
        "operationId": route.name,
        **parts,
        **({"parameters": parameters} if parameters else {}),
        "responses": {**responses, **errors},
    }


def _operation_of(route: Route) -> dict[str, object]:
    """The parts that follow from a result class and an example."""
    into, example = route.request.into, route.request.json
    body = {"required": True, "content": {"application/json": {"example": example}}}
    return {
        "summary": _first_line(into),
        **({} if example is None else {"requestBody": body}),
        "responses": {"200": {"description": "Success.", **json_content(envelope(_ref("schemas", into.__name__)))}},
    }


def _path_parameters(path: str) -> list[Schema]:
    last = path.rpartition("/")[2]
    if not last.startswith("{"):
        return []
    return [{"name": last[1:-1], "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}]


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schema(result: type[Result]) -> dict[str, object]:
    hints, described = get_type_hints(result), field_descriptions(result)
    fields = [attribute for attribute in attrs.fields(result) if attribute.name != EXTRA_FIELD]
    return {
        "type": "object",
        "description": _first_line(result),
        "required": [field.name for field in fields if field.default is attrs.NOTHING],
        "properties": {
            field.name: _type(hints[field.name]) | _description(described.get(field.name)) for field in fields
        },
    }


def _description(text: str | None) -> Schema:
    return {} if text is None else {"description": text}


def _type(hint: object) -> Schema:
    kinds = get_args(hint)
    return {"anyOf": [_SCALARS[kind] for kind in kinds]} if kinds else dict(_SCALARS[hint])


def _error_schema() -> Schema:
    meanings = "; ".join(
        f"{row.code}: {row.message[0].lower() + row.message[1:].rstrip('.')}" for row in ERROR_SPECS.values()
    )
    return {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "integer", "description": f"The number of the error. {meanings}."},
            "message": {"type": "string", "description": "What happened."},
            "suggestion": {"type": "string", "description": "What to do, for people."},
        },
    }


def _first_line(described: type[object]) -> str:
    return (described.__doc__ or described.__name__).partition("\n")[0]
