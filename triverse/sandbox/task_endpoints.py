"""What the sandbox does for quotes, creations and the status of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from triverse.sandbox.accounts import Account
from triverse.sandbox.errors import InvalidFieldError, api_error
from triverse.sandbox.flows import FLOWS, Flow
from triverse.sandbox.http import SandboxRequest, SandboxResponse, success
from triverse.sandbox.storage import signed_url
from triverse.sandbox.tasks import SandboxTask

__all__ = ["create", "find_task", "is_url", "keep_id", "quote", "status"]

_PROMPTS = ("prompt", "text_prompt")


def quote(account: Account, request: SandboxRequest) -> Mapping[str, object]:
    """Answer `POST /tasks/pricing/quote`."""
    body = request.json(dict[str, object])
    name = body.get("flow_name", body.get("flowName"))
    if not isinstance(name, str):
        raise InvalidFieldError("body.flow_name", "expected a string" if name is not None else "missing")
    params = body.get("params", {})
    if not isinstance(params, dict):
        raise InvalidFieldError("body.params", "expected an object")
    flow = FLOWS.get(name)
    if flow is None:
        raise api_error(2002)
    priced = flow.pricing_params(cast("dict[str, object]", params))
    return {
        "flow_name": flow.name,
        "params": priced,
        "cost_credits": _cost(account, flow, priced),
        "available_credits": int(account.balance.balance),
    }


def _cost(account: Account, flow: Flow, priced: Mapping[str, object]) -> float:
    return flow.cost(priced, account.tasks.environment.settings.prices.get(flow.name))


def create(flow: Flow, account: Account, request: SandboxRequest) -> SandboxResponse:
    """Answer `POST /tasks/{flow}`."""
    body = request.json(dict[str, object])
    checked = flow.check(body)
    with account.tasks.lock:
        task = account.tasks.repeated(flow, checked)
        if task is None:
            _check_content(account, flow, checked)
            task = account.tasks.create(flow, checked, _cost(account, flow, flow.pricing_params(body)))
    return success(_created(account, task), account.tasks.environment.settings.creation_status)


def _check_content(account: Account, flow: Flow, checked: Mapping[str, object]) -> None:
    for name, rule in flow.fields.items():
        value = checked.get(name)
        if rule.file is not None and isinstance(value, str) and not is_url(value):
            _check_file(account, value, rule.file)
    refuses = account.tasks.environment.settings.moderation
    prompts = [value for name in _PROMPTS if isinstance(value := checked.get(name), str)]
    if refuses is not None and any(refuses(prompt.encode("utf-8", "replace")) for prompt in prompts):
        raise api_error(2008)


def _check_file(account: Account, file_key: str, kind: str) -> None:
    upload = account.uploads.find(file_key)
    if upload is None:
        raise api_error(1005, f"There is no file {file_key!r}, or no permission for it.")
    if upload.kind != kind:
        raise api_error(2004)


def is_url(text: str) -> bool:
    """Whether the text is a URL, not a file key. The sandbox never fetches it."""
    return text.lower().startswith(("http://", "https://"))


def keep_id(account: Account, request: SandboxRequest) -> None:
    """Keep the id of a creation that failed, if `SandboxSettings.failed_creation` is "keeps_id"."""
    flow = FLOWS.get(request.path.removeprefix("/tasks/"))
    if flow is not None and request.method == "POST":
        try:
            order_id = request.json(dict[str, object]).get("client_order_id")
        except Exception:  # noqa: BLE001 - a request without JSON has no id
            return
        account.tasks.keep_id(flow, order_id)


def _created(account: Account, task: SandboxTask) -> dict[str, object]:
    settings = account.tasks.environment.settings
    payload: dict[str, object] = {
        "task_uuid": str(task.uuid),
        "flow_name": task.flow_name,
        "status": task.status,
        "created_at": _text(task.created_at),
        "cost_credits": task.cost,
        "queue": task.queue,
    }
    if settings.read_after_write_deadline_seconds is not None:
        payload["read_after_write_deadline_seconds"] = settings.read_after_write_deadline_seconds
    if settings.read_after_write_header is not None:
        payload["read_after_write_header"] = settings.read_after_write_header
    return payload


def find_task(account: Account, request: SandboxRequest) -> SandboxTask:
    """Return the task that the path names.

    Raises:
        NotFoundError: code 1006: there is none, or it is not visible yet.
    """
    task = account.tasks.find(request.path.rpartition("/")[2])
    if task is None or not _is_visible(account, task, request):
        raise api_error(1006)
    return task


def _is_visible(account: Account, task: SandboxTask, request: SandboxRequest) -> bool:
    environment = account.tasks.environment
    header = environment.settings.read_after_write_header
    if header is not None and header.lower() in request.headers:
        return True
    return environment.clock() - task.created >= environment.settings.read_after_write_seconds


def status(account: Account, request: SandboxRequest) -> Mapping[str, object]:
    """Answer `GET /tasks/{task_uuid}`."""
    task = find_task(account, request)
    payload: dict[str, object] = {
        "task_uuid": str(task.uuid),
        "flow_name": task.flow_name,
        "status": task.status,
        "progress": task.progress,
        "created_at": _text(task.created_at),
        "started_at": _text(task.started_at),
        "completed_at": _text(task.completed_at),
        "input": _input(request, task),
        "output": _output(task),
        "error": _error(account, task),
        "queue": task.queue,
    }
    if payload["progress"] is None:
        del payload["progress"]
    return payload


def _input(request: SandboxRequest, task: SandboxTask) -> dict[str, object]:
    """The public input: files as URLs, as in the samples of the service."""
    shown: dict[str, object] = {}
    for name, value in task.params.items():
        if name in {"image_file", "model_file"}:
            url = value if is_url(str(value)) else signed_url(task.environment, request.origin, str(value))
            shown[name.replace("_file", "_url")] = url
        elif name not in {"client_order_id", "allow_duplicate"}:
            shown[name] = value
    return shown


def _output(task: SandboxTask) -> dict[str, object] | None:
    if task.status != "SUCCESS":
        return None
    return {"asset_id": str(UUID(int=task.uuid.int ^ 1)), "kind": FLOWS[task.flow_name].asset}


def _error(account: Account, task: SandboxTask) -> object:
    shape = account.tasks.environment.settings.error_shape
    if task.status != "FAILED" or task.error is None or shape == "null":
        return None
    return task.error["message"] if shape == "text" else dict(task.error)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
