"""Control of a served sandbox from another process, by HTTP: `/sandbox/…`.

These endpoints are no part of the service. They need no API key, meet no faults, and are not in the request log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from attrs import evolve

from triverse.core.api_errors import APIError
from triverse.core.errors import ConfigurationError
from triverse.sandbox.accounts import Account
from triverse.sandbox.errors import ERROR_SPECS, api_error, find_error_spec
from triverse.sandbox.faults import Fault
from triverse.sandbox.http import SandboxRequest, SandboxResponse, failure, json_response
from triverse.sandbox.tasks import SandboxTask

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["CONTROLS", "CONTROL_PATH", "Control", "respond"]

CONTROL_PATH: Final = "/sandbox"

Fields: TypeAlias = dict[str, Any]
Control: TypeAlias = "Callable[[Sandbox, SandboxRequest, Fields], object]"

_FAULTS: Final[Mapping[str, Callable[..., Fault]]] = {
    "etag": Fault.etag,
    "filename": Fault.filename,
    "glb_length": Fault.glb_length,
    "html": Fault.html,
    "malformed_json": Fault.malformed_json,
    "range_ignored": Fault.range_ignored,
    "redirect": Fault.redirect,
    "refused": Fault.refused,
    "reset": Fault.reset,
    "silent": Fault.silent,
    "trickled": Fault.trickled,
    "truncated": Fault.truncated,
    "wrong_range": Fault.wrong_range,
    "wrong_types": Fault.wrong_types,
}
_MOVES: Final[Mapping[str, Callable[[SandboxTask], None]]] = {
    "advance": SandboxTask.advance,
    "cancel": SandboxTask.cancel,
    "fail": SandboxTask.fail,
    "succeed": SandboxTask.succeed,
}


def respond(sandbox: Sandbox, request: SandboxRequest) -> SandboxResponse:
    """Answer a request to `/sandbox` or below it."""
    parts = request.path.removeprefix(CONTROL_PATH).strip("/").split("/")
    controls = CONTROLS.get(parts[0])
    if controls is None:
        return failure(ERROR_SPECS[1005]._replace(suggestion="GET / lists the addresses of the sandbox."))
    control = controls.get(request.method)
    if control is None:
        return failure(ERROR_SPECS[405], {"Allow": ", ".join(controls)})
    try:
        return json_response(200, control(sandbox, request, _fields(request)))
    except APIError as error:
        return failure(find_error_spec(error.status_code, error.code)._replace(message=error.message))
    except (ConfigurationError, TypeError, ValueError) as error:
        return failure(ERROR_SPECS[1004]._replace(message=str(error), suggestion="GET / shows examples."))


def _fields(request: SandboxRequest) -> Fields:
    """The fields of the query, where numbers and the like are JSON, and of the body."""
    fields: Fields = {name: _value(text) for name, text in request.query.items()}
    if request.body:
        body = cast("object", json.loads(request.body))
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        fields |= cast("Fields", body)
    return fields


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _account(sandbox: Sandbox, request: SandboxRequest, fields: Fields) -> Account:
    """The account with this e-mail address, or with the request's key, or the first one."""
    email = fields.pop("account", None)
    if email is None:
        return sandbox.find_account(request.key) or next(iter(sandbox.accounts), None) or sandbox.demo
    found = next((account for account in sandbox.accounts if account.email == email), None)
    if found is None:
        raise api_error(1005, f"There is no account {email!r}.")
    return found


def _describe(account: Account) -> Mapping[str, object]:
    return {
        "email": account.email,
        "key": account.key,
        "plan_name": account.plan_name,
        "balance": account.balance.balance,
        "frozen": account.balance.frozen,
        "spent": account.spent,
        "uploads": len(account.uploads),
        "tasks": [_describe_task(task) for task in account.tasks],
    }


def _describe_task(task: SandboxTask) -> Mapping[str, object]:
    return {"task_uuid": task.uuid, "flow_name": task.flow_name, "status": task.status, "cost_credits": task.cost}


def _state(sandbox: Sandbox, _request: SandboxRequest, _fields: Fields) -> object:
    return {
        "accounts": [_describe(account) for account in sandbox.accounts],
        "faults": [repr(fault) for fault in sandbox.faults.planned],
        "unused_faults": [repr(fault) for fault in sandbox.faults.unused],
        "task_seconds": sandbox.task_seconds,
        "settings": repr(sandbox.settings),
        "requests": len(sandbox.requests),
    }


def _credits(fields: Fields) -> float:
    if fields.keys() != {"credits"}:
        raise ValueError("expected the field credits, and perhaps account")
    return cast("float", fields["credits"])


def _top_up(sandbox: Sandbox, request: SandboxRequest, fields: Fields) -> object:
    account = _account(sandbox, request, fields)
    account.top_up(_credits(fields))
    return _describe(account)


def _freeze(sandbox: Sandbox, request: SandboxRequest, fields: Fields) -> object:
    account = _account(sandbox, request, fields)
    account.freeze(_credits(fields))
    return _describe(account)


def _release(sandbox: Sandbox, request: SandboxRequest, fields: Fields) -> object:
    account = _account(sandbox, request, fields)
    account.release_holds()
    return _describe(account)


def _add_fault(sandbox: Sandbox, _request: SandboxRequest, fields: Fields) -> object:
    times, match, name = (fields.pop(field, None) for field in ("times", "match", "fault"))
    if name is not None and name not in _FAULTS:
        raise ValueError(f"fault must be one of {', '.join(_FAULTS)}, not {name!r}")
    sandbox.faults.add((_FAULTS[name] if name else Fault)(**fields), times=times, match=match)
    return [repr(fault) for fault in sandbox.faults.planned]


def _clear_faults(sandbox: Sandbox, _request: SandboxRequest, _fields: Fields) -> object:
    """Return the faults that no request has met."""
    unused = [repr(fault) for fault in sandbox.faults.unused]
    sandbox.faults.clear()
    return unused


def _move_task(sandbox: Sandbox, request: SandboxRequest, _fields: Fields) -> object:
    uuid, _, move = request.path.removeprefix(f"{CONTROL_PATH}/tasks/").partition("/")
    task = next((found for account in sandbox.accounts if (found := account.tasks.find(uuid))), None)
    if task is None:
        raise api_error(1006)
    if move not in _MOVES:
        raise ValueError(f"expected /sandbox/tasks/{{task_uuid}}/ and one of {', '.join(_MOVES)}")
    _MOVES[move](task)
    return _describe_task(task)


def _change_settings(sandbox: Sandbox, request: SandboxRequest, fields: Fields) -> object:
    if "task_seconds" in fields:
        sandbox.task_seconds = fields.pop("task_seconds")
    sandbox.settings = evolve(sandbox.settings, **fields)
    return _state(sandbox, request, {})


CONTROLS: Final[Mapping[str, Mapping[str, Control]]] = {
    "": {"GET": _state},
    "top-up": {"POST": _top_up},
    "freeze": {"POST": _freeze},
    "release": {"POST": _release},
    "faults": {"POST": _add_fault, "DELETE": _clear_faults},
    "tasks": {"POST": _move_task},
    "settings": {"POST": _change_settings},
}
"""What each address below `/sandbox/` does, by method."""
