"""What is not part of the service: the description of the API, and the control of the sandbox by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.http import SandboxRequest, SandboxResponse, failure
from triverse.sandbox.openapi import DESCRIPTION_PATH, document

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["control"]


def control(sandbox: Sandbox, request: SandboxRequest) -> SandboxResponse | None:
    """Answer a request that is about the sandbox itself; None if it is one to the service."""
    del sandbox
    if request.path != DESCRIPTION_PATH:
        return None
    if request.method != "GET":
        return failure(ERROR_SPECS[405], {"Allow": "GET"})
    return SandboxResponse(200, document(server="/api/v1"), {"Content-Type": "application/json"})
