"""The description of the API that the service does not publish: OpenAPI 3.1, made from the result classes."""

from __future__ import annotations

import json
import re
from functools import cache
from types import NoneType
from typing import Any, Final, get_args, get_type_hints
from uuid import UUID

import attrs

from triverse._version import __version__
from triverse.core.request import JSON
from triverse.core.result import Result
from triverse.sandbox.errors import DOCUMENTED
from triverse.sandbox.routes import ROUTES, Route

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
    """The description of these endpoints as JSON, for clients of the server at this URL."""
    return json.dumps(_document(server, routes), indent=2).encode() + b"\n"


def _document(server: str, routes: tuple[Route, ...]) -> dict[str, object]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Triverse API: user management",
            "description": "Made from the result classes of the Python SDK. The service publishes no description.",
            "version": __version__,
        },
        "servers": [{"url": server}],
        "security": [{"apiKey": []}],
        "paths": {route.request.path: {route.request.method.lower(): _operation(route)} for route in routes},
        "components": {
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            "schemas": {route.request.into.__name__: _schema(route.request.into) for route in routes}
            | {"Error": _error_schema()},
            "responses": {"Error": _response("The service says no.", _ref("schemas", "Error"))},
        },
    }


def _operation(route: Route) -> dict[str, object]:
    request = route.request
    frame = {
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": {
            "code": {"const": 0},
            "message": {"type": "string"},
            "data": _ref("schemas", request.into.__name__),
        },
    }
    statuses = ("400", "401", "403", "429", "500", "503")
    return {
        "operationId": route.name,
        "summary": _first_line(request.into),
        "responses": {"200": _response("Success.", frame)}
        | {status: _ref("responses", "Error") for status in statuses},
        **_body(request.json),
    }


def _body(example: JSON) -> dict[str, object]:
    """What is said of a request's body, where it has one."""
    if example is None:
        return {}
    return {"requestBody": {"required": True, "content": {"application/json": {"example": example}}}}


def _response(description: str, schema: dict[str, Any]) -> dict[str, object]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schema(result: type[Result]) -> dict[str, object]:
    hints, said = get_type_hints(result), _said_of_attributes(result)
    fields = [attribute for attribute in attrs.fields(result) if attribute.name in said]
    return {
        "type": "object",
        "description": _first_line(result),
        "required": [field.name for field in fields if field.default is attrs.NOTHING],
        "properties": {field.name: _type(hints[field.name]) | {"description": said[field.name]} for field in fields},
    }


def _type(hint: object) -> dict[str, Any]:
    kinds = get_args(hint)
    return {"anyOf": [_SCALARS[kind] for kind in kinds]} if kinds else dict(_SCALARS[hint])


def _error_schema() -> dict[str, object]:
    meanings = "; ".join(
        f"{row.code}: {row.message[0].lower() + row.message[1:].rstrip('.')}" for row in DOCUMENTED.values()
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


def _first_line(documented: type[object]) -> str:
    return (documented.__doc__ or "").partition("\n")[0]


def _said_of_attributes(result: type[Result]) -> dict[str, str]:
    """What the docstring says of each attribute."""
    _, _, section = (result.__doc__ or "").partition("Attributes:")
    return dict(re.findall(r"^\s+(\w+): (.+)$", section, re.MULTILINE))
