"""Routes that the service does not have: a page about the sandbox, the OpenAPI description, and the control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from triverse._version import __version__
from triverse.sandbox import control
from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.http import SandboxRequest, SandboxResponse, failure
from triverse.sandbox.openapi import DESCRIPTION_PATH, document

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["respond"]

_PAGE: Final = """\
This is the sandbox of triverse {version}: a local imitation of the Triverse API, for development and tests.
It is not the service. Its keys are valid here only, and nothing costs anything.

  base URL        {origin}/api/v1
  OpenAPI         {origin}/openapi.json

Control it from another shell. Fields may also be sent as a JSON body. They apply to the first account, unless
`account=EMAIL` names another one.

  state, keys     curl {origin}/sandbox
  buy credits     curl -X POST '{origin}/sandbox/top-up?credits=50'
  freeze credits  curl -X POST '{origin}/sandbox/freeze?credits=10'
  release those   curl -X POST '{origin}/sandbox/release'
  break it        curl -X POST '{origin}/sandbox/faults?status=503&times=2'
                  curl -X POST '{origin}/sandbox/faults?fault=reset&match=/users/balance'
  repair it       curl -X DELETE {origin}/sandbox/faults
  move a task     curl -X POST {origin}/sandbox/tasks/TASK_UUID/advance
                  (also /succeed, /fail, /cancel)
  settings        curl -X POST '{origin}/sandbox/settings?task_seconds=5&known_id=conflict'
"""


def respond(sandbox: Sandbox, request: SandboxRequest) -> SandboxResponse | None:
    """Answer a request that is about the sandbox itself; None if it is one to the service."""
    if request.path == control.CONTROL_PATH or request.path.startswith(f"{control.CONTROL_PATH}/"):
        return control.respond(sandbox, request)
    if request.path not in {"/", DESCRIPTION_PATH}:
        return None
    if request.method != "GET":
        return failure(ERROR_SPECS[405], {"Allow": "GET"})
    if request.path == DESCRIPTION_PATH:
        return SandboxResponse(200, document(server="/api/v1"), {"Content-Type": "application/json"})
    page = _PAGE.format(version=__version__, origin=request.origin)
    return SandboxResponse(200, page.encode(), {"Content-Type": "text/plain; charset=utf-8"})
