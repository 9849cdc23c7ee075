"""What the sandbox does for uploads, asset URLs and downloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal
from uuid import UUID

from triverse.sandbox import assets
from triverse.sandbox.accounts import Account
from triverse.sandbox.content import Bytes, Content
from triverse.sandbox.delivery import deliver
from triverse.sandbox.errors import InvalidFieldError, api_error
from triverse.sandbox.flows import FLOWS
from triverse.sandbox.http import MAX_BODY_BYTES, SandboxRequest, SandboxResponse
from triverse.sandbox.multipart import MultipartError, Part, boundary_of, parts_of
from triverse.sandbox.storage import signed_url
from triverse.sandbox.task_endpoints import find_task
from triverse.sandbox.tasks import SandboxTask
from triverse.sandbox.uploads import image_type

__all__ = ["asset_content", "asset_url", "download", "upload_image", "upload_model"]

_VARIANTS: Final = frozenset({"geometry", "textured"})


def upload_image(account: Account, request: SandboxRequest) -> Mapping[str, object]:
    """Answer `POST /upload/image`."""
    settings = account.tasks.environment.settings
    part = _file_part(account, request, settings.max_image_bytes)
    request.file.seek(part.start)
    start = request.file.read(min(part.size, MAX_BODY_BYTES))
    if image_type(start) is None:
        raise api_error(2004, "Unsupported file type: send image/jpeg, image/png or image/webp.")
    if settings.moderation is not None and settings.moderation(start):
        raise api_error(2008)
    return _store(account, request, part, None)


def upload_model(account: Account, request: SandboxRequest) -> Mapping[str, object]:
    """Answer `POST /upload/model`."""
    variant = request.query.get("modelVariant")
    if variant is not None and variant not in _VARIANTS:
        raise InvalidFieldError("query.modelVariant", "expected geometry or textured")
    part = _file_part(account, request, account.tasks.environment.settings.max_model_bytes)
    return _store(account, request, part, variant)


def _file_part(account: Account, request: SandboxRequest, max_bytes: int) -> Part:
    account.uploads.count_request()
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes + MAX_BODY_BYTES:
        raise _too_large(max_bytes)
    try:
        parts = parts_of(request.file, boundary_of(request.headers.get("content-type", "")))
    except MultipartError as error:
        raise InvalidFieldError("body", str(error)) from error
    part = next((part for part in parts if part.parameter("name") == "file"), None)
    if part is None or part.parameter("filename") is None:
        raise InvalidFieldError("body.file", "expected a part with a file name")
    if part.size > max_bytes:
        raise _too_large(max_bytes)
    if not part.size:
        raise InvalidFieldError("body.file", "the file is empty")
    return part


def _too_large(max_bytes: int) -> InvalidFieldError:
    return InvalidFieldError("body.file", f"larger than {max_bytes} bytes")


def _store(account: Account, request: SandboxRequest, part: Part, variant: str | None) -> Mapping[str, object]:
    upload = account.uploads.store(
        request.file,
        part.start,
        part.size,
        filename=part.parameter("filename"),
        content_type=part.headers.get("content-type"),
        variant=variant,
    )
    return {"file_key": upload.file_key}


def asset_url(account: Account, request: SandboxRequest) -> Mapping[str, object]:
    """Answer `GET /tasks/url/{task_uuid}`."""
    task = _finished_task(account, request)
    environment = account.tasks.environment
    kind, extension = _kind_of(task)
    data: dict[str, object] = {
        "download_url": signed_url(environment, request.origin, f"tasks/{task.uuid}/output.{extension}"),
        "asset_id": str(UUID(int=task.uuid.int ^ 1)),
        "kind": kind,
    }
    if environment.settings.previews:
        data["preview_url"] = signed_url(environment, request.origin, f"tasks/{task.uuid}/preview.png")
    return data


def download(account: Account, request: SandboxRequest) -> SandboxResponse:
    """Answer `GET /tasks/download/{task_uuid}`."""
    task = _finished_task(account, request)
    environment = account.tasks.environment
    _, extension = _kind_of(task)
    if environment.settings.redirects:
        key = f"tasks/{task.uuid}/output.{extension}"
        location = signed_url(environment, request.origin, key, hops=environment.settings.redirects - 1)
        return SandboxResponse(307, headers={"Location": location})
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{task.uuid}.{extension}"',
    }
    return deliver(request, environment.settings, str(task.uuid), asset_content(task), headers)


def _finished_task(account: Account, request: SandboxRequest) -> SandboxTask:
    task = find_task(account, request)
    if task.status != "SUCCESS":
        raise api_error(2005)
    if not account.tasks.environment.settings.assets:
        raise api_error(4042)
    return task


def _kind_of(task: SandboxTask) -> tuple[Literal["model", "image"], str]:
    kind = FLOWS[task.flow_name].asset
    return kind, "glb" if kind == "model" else "png"


def asset_content(task: SandboxTask) -> Content:
    """Return what a download of the task gives."""
    if FLOWS[task.flow_name].asset == "image":
        return Bytes(assets.preview(task.uuid))
    return assets.model(task.uuid, task.environment.settings.model_bytes)
