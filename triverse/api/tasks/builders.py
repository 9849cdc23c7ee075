"""Requests about tasks, as plain values that `client.execute()` runs.

Their pages in the service's own documentation are "Pricing Quote", "Text to 3D", "Image to 3D", "Texturing",
"Utilities", "Task Status" and "Download Assets". A parameter that is None is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias, cast

from triverse.api.assets import Asset, asset_request
from triverse.api.tasks.checks import TaskReference, check_file, check_flow_name, check_object, check_text, task_uuid_of
from triverse.api.tasks.creation import ALLOW_DUPLICATE, checked_fields, creation_request, typed_creation
from triverse.api.tasks.quotes import Quote
from triverse.api.tasks.task import Task, TaskDecoder
from triverse.api.uploads import UploadedFile
from triverse.core.errors import ConfigurationError
from triverse.core.request import CLIENT_ORDER_ID, JSON, Request

__all__ = [
    "RemoteFile",
    "RenderMode",
    "asset",
    "create",
    "get",
    "image_to_mesh",
    "image_to_model",
    "model_preview_render",
    "quote",
    "text_to_mesh",
    "text_to_model",
    "texture_model",
]

RemoteFile: TypeAlias = str | UploadedFile
RenderMode: TypeAlias = Literal["basic", "multi_angle", "custom", "preset"]


# Parameters of a creation that do not change its price, and that a quote does not need.
_NOT_QUOTED: Final = frozenset(
    {
        "prompt",
        "negative_prompt",
        "text_prompt",
        "image_file",
        "image_url",
        "model_file",
        "model_url",
        CLIENT_ORDER_ID,
        ALLOW_DUPLICATE,
    }
)


def quote(flow: str | Request[Task], params: Mapping[str, JSON] | None = None) -> Request[Quote]:
    """Describe `POST /tasks/pricing/quote`: the price of a task. It creates nothing and costs nothing.

    Args:
        flow: name of a flow, or a request that creates a task: its parameters are quoted without prompt, files and id.
        params: parameters that change the price, if `flow` is a name.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    if isinstance(flow, Request):
        name, quoted = _quoted_creation(flow, params)
    else:
        name, quoted = check_flow_name("flow", flow), {} if params is None else check_object("params", params)
    body = {"flow_name": name, "params": quoted} if quoted else {"flow_name": name}
    return Request("POST", "/tasks/pricing/quote", Quote, json=cast("JSON", body), safe=True)


def _quoted_creation(request: Request[Task], params: object) -> tuple[str, dict[str, object]]:
    if request.creation is None:
        message = f"flow must be a flow name or a request that creates a task, not {request.method} {request.path}"
        raise ConfigurationError(message)
    if params is not None:
        message = "params must not be passed if flow is a request: the request has its own parameters"
        raise ConfigurationError(message)
    sent = cast("Mapping[str, object]", request.json)
    return request.path.removeprefix("/tasks/"), {name: sent[name] for name in sent if name not in _NOT_QUOTED}


def get(task: TaskReference) -> Request[Task]:
    """Describe `GET /tasks/{task_uuid}`: the state of a task.

    Raises:
        ConfigurationError: `task` is not a task, a UUID or the text of one.
    """
    path = f"/tasks/{task_uuid_of(task)}"
    if not isinstance(task, Task):
        return Request("GET", path, Task)
    return Request("GET", path, Task, decode=TaskDecoder(task.cost_credits, task.client_order_id))


def asset(task: TaskReference) -> Request[Asset]:
    """Describe `GET /tasks/url/{task_uuid}`: where the result of a task can be downloaded.

    Raises:
        ConfigurationError: `task` is not a task, a UUID or the text of one.
    """
    return asset_request(task_uuid_of(task))


def create(
    flow_name: str,
    params: Mapping[str, JSON],
    *,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/{flow_name}`: a task of any flow, with any parameters.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    flow = check_flow_name("flow_name", flow_name)
    return creation_request(flow, check_object("params", params), client_order_id, allow_duplicate)


def text_to_model(
    prompt: str,
    *,
    negative_prompt: str | None = None,
    polygon_limit: int | None = None,
    texture_size: int | None = None,
    turbo: bool | None = None,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
    extra: Mapping[str, JSON] | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/text-to-model`: a textured model from text.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    fields = {
        "prompt": check_text("prompt", prompt, minimum=3),
        **checked_fields(
            negative_prompt=negative_prompt,
            polygon_limit=polygon_limit,
            texture_size=texture_size,
            turbo=turbo,
        ),
    }
    return typed_creation("text-to-model", fields, extra, client_order_id, allow_duplicate)


def text_to_mesh(
    prompt: str,
    *,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
    extra: Mapping[str, JSON] | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/text-to-mesh`: a model without texture from text.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    fields = {
        "prompt": check_text("prompt", prompt),
    }
    return typed_creation("text-to-mesh", fields, extra, client_order_id, allow_duplicate)


def image_to_model(
    image: RemoteFile,
    *,
    model_version: str | None = None,
    polygon_limit: int | None = None,
    texture_size: int | None = None,
    turbo: bool | None = None,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
    extra: Mapping[str, JSON] | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/image-to-model`: a textured model from an image.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    fields = {
        "image_file": check_file("image", image),
        **checked_fields(
            model_version=model_version,
            polygon_limit=polygon_limit,
            texture_size=texture_size,
            turbo=turbo,
        ),
    }
    return typed_creation("image-to-model", fields, extra, client_order_id, allow_duplicate)


def image_to_mesh(
    image: RemoteFile,
    *,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
    extra: Mapping[str, JSON] | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/image-to-mesh`: a model without texture from an image.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    fields = {
        "image_file": check_file("image", image),
    }
    return typed_creation("image-to-mesh", fields, extra, client_order_id, allow_duplicate)


def texture_model(
    *,
    image: RemoteFile,
    model: RemoteFile,
    model_version: str | None = None,
    polygon_limit: int | None = None,
    texture_size: int | None = None,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
    extra: Mapping[str, JSON] | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/texture-model`: a texture for a model, from an image.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    fields = {
        "image_file": check_file("image", image),
        "model_file": check_file("model", model),
        **checked_fields(
            model_version=model_version,
            polygon_limit=polygon_limit,
            texture_size=texture_size,
        ),
    }
    return typed_creation("texture-model", fields, extra, client_order_id, allow_duplicate)


def model_preview_render(
    model: RemoteFile,
    *,
    render_mode: RenderMode | None = None,
    image_count: int | None = None,
    resolution: str | None = None,
    render_format: str | None = None,
    enable_rgb_render: bool | None = None,
    enable_white_render: bool | None = None,
    camera_angles: Sequence[str] | None = None,
    preset_name: str | None = None,
    client_order_id: str | Literal[False] | None = None,
    allow_duplicate: bool | None = None,
    extra: Mapping[str, JSON] | None = None,
) -> Request[Task]:
    """Describe `POST /tasks/model-preview-render`: pictures of a model.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    fields = {
        "model_file": check_file("model", model),
        **checked_fields(
            render_mode=render_mode,
            image_count=image_count,
            resolution=resolution,
            render_format=render_format,
            enable_rgb_render=enable_rgb_render,
            enable_white_render=enable_white_render,
            camera_angles=camera_angles,
            preset_name=preset_name,
        ),
    }
    return typed_creation("model-preview-render", fields, extra, client_order_id, allow_duplicate)
