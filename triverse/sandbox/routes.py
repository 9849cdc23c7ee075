"""The endpoints that the sandbox answers. A new one is one more row of `ROUTES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from attrs import field, frozen

from triverse.api import users
from triverse.core.api_errors import APIError
from triverse.core.request import Request
from triverse.core.result import Result
from triverse.sandbox import file_endpoints, schemas, task_endpoints
from triverse.sandbox.accounts import Account
from triverse.sandbox.errors import ERROR_SPECS, InvalidFieldError, find_error_spec
from triverse.sandbox.flows import FLOWS
from triverse.sandbox.http import SandboxRequest, SandboxResponse, failure, json_response, success

__all__ = ["ROUTES", "Route", "find_route", "respond"]

Answerer: TypeAlias = Callable[[Account, SandboxRequest], Result | Mapping[str, object] | SandboxResponse]

# Endpoints that `schemas` describes have no result class here.
_Data: Final = dict[str, object]
_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@frozen
class Route:
    """One endpoint.

    Attributes:
        name: of the operation, in the description of the API.
        request: what clients send. Its path may end with a parameter in braces; its JSON body, if it has one, is an
            example of others.
        result: makes the data of the response, or the response. It may raise the error that clients are to see.
        operation: the operation in the description of the API; empty: made from the result class and the example.
        error_statuses: of the errors that it may have.
    """

    name: str
    request: Request[object]
    result: Answerer
    operation: Mapping[str, object] = field(factory=dict[str, object], hash=False)
    error_statuses: tuple[str, ...] = ("400", "401", "403", "404", "409", "422", "429", "500", "503")

    def respond(self, account: Account, request: SandboxRequest) -> SandboxResponse:
        """Return the result, or the error, in the documented envelope."""
        try:
            result = self.result(account, request)
        except APIError as error:
            task_endpoints.keep_id(account, request)
            return _refusal(account, error)
        return result if isinstance(result, SandboxResponse) else success(result)


def _refusal(account: Account, error: APIError) -> SandboxResponse:
    if isinstance(error, InvalidFieldError) and account.tasks.environment.settings.validation_errors == "fastapi":
        detail = {"loc": error.field.split("."), "msg": error.problem, "type": "value_error"}
        return json_response(422, {"detail": [detail]})
    row = find_error_spec(error.status_code, error.code)
    return failure(row._replace(message=error.message))


ROUTES: Final = (
    Route("getMe", users.me(), lambda account, _: account.info),
    Route("getBalance", users.balance(), lambda account, _: account.balance),
    Route(
        "quote",
        Request("POST", "/tasks/pricing/quote", _Data, json={"flow_name": "text-to-model"}),
        task_endpoints.quote,
        schemas.QUOTE,
    ),
    *(
        Route(
            f"create-{flow.name}",
            Request("POST", f"/tasks/{flow.name}", _Data),
            partial(task_endpoints.create, flow),
            schemas.creation(flow),
        )
        for flow in FLOWS.values()
    ),
    Route("uploadImage", Request("POST", "/upload/image", _Data), file_endpoints.upload_image, schemas.UPLOAD_IMAGE),
    Route("uploadModel", Request("POST", "/upload/model", _Data), file_endpoints.upload_model, schemas.UPLOAD_MODEL),
    Route("getAssetUrl", Request("GET", "/tasks/url/{task_uuid}", _Data), file_endpoints.asset_url, schemas.ASSET_URL),
    Route("download", Request("GET", "/tasks/download/{task_uuid}", _Data), file_endpoints.download, schemas.DOWNLOAD),
    Route("getTask", Request("GET", "/tasks/{task_uuid}", _Data), task_endpoints.status, schemas.STATUS),
)


def find_route(method: str, path: str, routes: tuple[Route, ...] = ROUTES) -> Route | tuple[str, ...]:
    """Return the route of a request, or the methods that the path allows: none if there is no such path."""
    here = {route.request.method: route for route in routes if route.request.path == path}
    if not here:
        parent = path.rpartition("/")[0]
        here = {route.request.method: route for route in routes if _is_template(route.request.path, parent)}
        if path.endswith("/"):
            here = {}
    return here.get(method) or tuple(here)


def _is_template(template: str, parent: str) -> bool:
    start, _, last = template.rpartition("/")
    return last.startswith("{") and start == parent


def respond(request: SandboxRequest, account: Account | None) -> SandboxResponse:
    """Return the response to a request whose key belongs to this account, or to none."""
    route = find_route(request.method, request.path)
    unknown_flow = not isinstance(route, Route) and _creates_unknown_flow(request)
    if not isinstance(route, Route) and not unknown_flow:
        return failure(ERROR_SPECS[405], {"Allow": ", ".join(route)}) if route else failure(ERROR_SPECS[1005])
    if account is None:
        return failure(ERROR_SPECS[401], {"WWW-Authenticate": "Bearer"})
    return route.respond(account, request) if isinstance(route, Route) else failure(ERROR_SPECS[2002])


def _creates_unknown_flow(request: SandboxRequest) -> bool:
    parent, _, name = request.path.rpartition("/")
    return request.method == "POST" and parent == "/tasks" and name != "" and not _UUID.fullmatch(name)
