"""JSON schemas of what the service documents about tasks and files."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from triverse.sandbox.flows import COMMON_FIELDS, FLOWS, Flow

__all__ = [
    "ASSET_URL",
    "DOWNLOAD",
    "QUOTE",
    "STATUS",
    "STATUSES",
    "UPLOAD_IMAGE",
    "UPLOAD_MODEL",
    "Schema",
    "creation",
    "envelope",
    "json_content",
]

Schema: TypeAlias = dict[str, Any]

STATUSES: Final = ("PENDING", "QUEUED", "RUNNING", "SUCCESS", "FAILED", "CANCELLED")

_UUID: Final[Schema] = {"type": "string", "format": "uuid"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number", "minimum": 0}
_FLOW: Final[Schema] = {"type": "string", "enum": list(FLOWS)}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Schema, *optional: str) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


_QUEUE: Final = _object(
    {
        "is_queued": {"type": "boolean"},
        "position": _nullable({"type": "integer", "minimum": 0}),
        "estimated_wait_seconds": _nullable({"type": "integer", "minimum": 0}),
    }
)
_CREATED: Final = _object(
    {
        "task_uuid": _UUID,
        "flow_name": _FLOW,
        "status": _TEXT | {"examples": list(STATUSES[:2])},
        "created_at": _TIME,
        "cost_credits": _nullable(_NUMBER),
        "queue": _nullable(_QUEUE),
        "read_after_write_deadline_seconds": _nullable({"type": "integer"}),
        "read_after_write_header": _nullable(_TEXT),
    },
    "queue",
    "read_after_write_deadline_seconds",
    "read_after_write_header",
)
_STATUS: Final = _object(
    {
        "task_uuid": _UUID,
        "flow_name": _FLOW,
        "status": _TEXT | {"examples": list(STATUSES)},
        "progress": {"type": "number", "minimum": 0, "maximum": 100},
        "created_at": _TIME,
        "started_at": _nullable(_TIME),
        "completed_at": _nullable(_TIME),
        "input": _nullable({"type": "object"}),
        "output": _nullable({"type": "object"}),
        "error": _nullable({"anyOf": [{"type": "object"}, _TEXT]}),
        "queue": _nullable(_QUEUE),
    },
    "progress",
)
_QUOTED: Final = _object(
    {"flow_name": _FLOW, "params": {"type": "object"}, "cost_credits": _NUMBER, "available_credits": _NUMBER}
)


def envelope(data: Schema) -> Schema:
    """Return the schema of the success envelope around data of this schema."""
    return _object({"code": {"const": 0}, "message": _TEXT, "data": data})


def json_content(schema: Schema) -> Schema:
    """Return the content of a body that is JSON of this schema."""
    return {"content": {"application/json": {"schema": schema}}}


def _responses(data: Schema) -> Schema:
    return {"responses": {"200": {"description": "Success.", **json_content(envelope(data))}}}


QUOTE: Final[Schema] = {
    "summary": "What a task would cost. Nothing is created or frozen.",
    "requestBody": {
        "required": True,
        **json_content(_object({"flow_name": _FLOW, "params": {"type": "object"}, "surface": {}}, "params", "surface")),
    },
    **_responses(_QUOTED),
}
STATUS: Final[Schema] = {"summary": "The state of a task.", **_responses(_STATUS)}


def creation(flow: Flow) -> Schema:
    """Return the operation that creates a task of this flow."""
    fields = {**flow.fields, **COMMON_FIELDS}
    body: Schema = {
        "type": "object",
        "required": [name for name, rule in fields.items() if rule.required],
        "properties": {name: rule.schema() for name, rule in fields.items()},
    }
    if flow.one_of:
        body["allOf"] = [
            {"anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in group]}
            for group in flow.one_of
        ]
    return {"summary": flow.summary, "requestBody": {"required": True, **json_content(body)}, **_responses(_CREATED)}


def _upload(summary: str, content_type: str, *parameters: Schema) -> Schema:
    content = {
        "schema": _object({"file": {"type": "string", "format": "binary", "minLength": 1}}),
        "encoding": {"file": {"contentType": content_type}},
    }
    body = {"required": True, "content": {"multipart/form-data": content}}
    return {
        "summary": summary,
        "requestBody": body,
        "parameters": list(parameters),
        **_responses(_object({"file_key": _TEXT})),
    }


UPLOAD_IMAGE: Final = _upload("Upload a JPEG, PNG or WebP image.", "image/jpeg, image/png, image/webp")
UPLOAD_MODEL: Final = _upload(
    "Upload a model.",
    "model/gltf-binary, application/octet-stream",
    {"name": "modelVariant", "in": "query", "schema": {"type": "string", "enum": ["geometry", "textured"]}},
)
ASSET_URL: Final[Schema] = {
    "summary": "Where the result of a task is.",
    **_responses(
        _object(
            {"download_url": _TEXT, "preview_url": _TEXT, "asset_id": _UUID, "kind": _TEXT},
            "preview_url",
            "asset_id",
            "kind",
        )
    ),
}
_BYTES: Final[Schema] = {"content": {"application/octet-stream": {}}}
DOWNLOAD: Final[Schema] = {
    "summary": "The result of a task.",
    "responses": {
        "200": {"description": "The whole file.", **_BYTES},
        "206": {"description": "The range that was asked for.", **_BYTES},
        "307": {"description": "The file is elsewhere."},
    },
}
