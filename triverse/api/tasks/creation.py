"""Requests that create a task: which fields they send, and how they are kept from creating two.

A request is repeated after the service may have received it only on flows whose documentation includes the id of the
call, and only if the id is sent and duplicates are not allowed. `triverse.core.creation` has the rest of the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, cast

from triverse.api.tasks.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_object,
    check_order_id,
    check_resolution,
    check_text,
    check_texts,
)
from triverse.api.tasks.task import Task, as_created
from triverse.core.errors import ConfigurationError
from triverse.core.request import CLIENT_ORDER_ID, JSON, Creation, Request
from triverse.core.text import safe_repr

__all__ = ["ALLOW_DUPLICATE", "checked_fields", "creation_request", "typed_creation"]

ALLOW_DUPLICATE: Final = "allow_duplicate"

# Flows whose documentation includes the client_order_id.
_REPEATABLE_FLOWS: Final = frozenset({"text-to-model", "image-to-model", "texture-model", "model-preview-render"})

_Fields: TypeAlias = dict[str, object]

_CHECKS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "negative_prompt": check_text,
    "model_version": check_text,
    "polygon_limit": partial(check_integer, minimum=1_000, maximum=1_500_000),
    "texture_size": partial(check_integer, minimum=1024, maximum=4096),
    "turbo": check_flag,
    "render_mode": partial(check_choice, choices=("basic", "multi_angle", "custom", "preset")),
    "image_count": partial(check_integer, minimum=1, maximum=10),
    "resolution": check_resolution,
    "render_format": check_text,
    "enable_rgb_render": check_flag,
    "enable_white_render": check_flag,
    "camera_angles": check_texts,
    "preset_name": check_text,
}


def checked_fields(**values: object) -> Mapping[str, object]:
    """Return the values that are not None.

    Raises:
        ConfigurationError: one of them is outside its documented limits.
    """
    return {name: _CHECKS[name](name, value) for name, value in values.items() if value is not None}


def typed_creation(
    flow: str, fields: Mapping[str, object], extra: object, client_order_id: object, allow_duplicate: object
) -> Request[Task]:
    """Describe the creation of a task with checked fields, and `extra` ones that are not checked.

    Raises:
        ConfigurationError: an argument is wrong, or a field is in both.
    """
    more = {} if extra is None else check_object("extra", extra)
    for name in more.keys() & fields.keys():
        message = f"extra must not contain {name!r}, because that field is also passed as an argument"
        raise ConfigurationError(message)
    return creation_request(flow, {**fields, **more}, client_order_id, allow_duplicate)


def creation_request(flow: str, fields: _Fields, client_order_id: object, allow_duplicate: object) -> Request[Task]:
    """Describe the creation of a task. The fields may contain an id and `allow_duplicate`, which count like arguments.

    Raises:
        ConfigurationError: the id or `allow_duplicate` is wrong, or passed twice.
    """
    sends_id = client_order_id is not False
    if allow_duplicate is not None:
        _add_once(fields, ALLOW_DUPLICATE, check_flag(ALLOW_DUPLICATE, allow_duplicate))
    if client_order_id is not None:
        _add_once(fields, CLIENT_ORDER_ID, check_order_id(client_order_id) if sends_id else None)
    creation = Creation(
        client_order_id=_order_id_of(fields),
        sends_id=sends_id,
        repeatable=sends_id and flow in _REPEATABLE_FLOWS and not fields.get(ALLOW_DUPLICATE),
        attach=_attach,
    )
    return Request("POST", f"/tasks/{flow}", Task, json=cast("JSON", fields), creation=creation)


def _add_once(fields: _Fields, name: str, value: object) -> None:
    if name in fields:
        message = f"{name} must not be passed twice, as an argument and in the parameters"
        raise ConfigurationError(message)
    fields[name] = value


def _order_id_of(fields: _Fields) -> str | None:
    """Return the id in the fields. One that is None is removed: the exchange generates an id, or none is sent."""
    order_id = fields.get(CLIENT_ORDER_ID)
    if order_id is None:
        fields.pop(CLIENT_ORDER_ID, None)
        return None
    if isinstance(order_id, str) and order_id:
        return order_id
    message = f"{CLIENT_ORDER_ID} must be a str that is not empty, not {safe_repr(order_id)[:200]}"
    raise ConfigurationError(message)


def _attach(task: object, client_order_id: str | None) -> object:
    return as_created(cast("Task", task), client_order_id)
