"""The sandbox without a socket: an httpx transport that asks it directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from triverse.clients.asynchronous import AsyncTriverse
from triverse.clients.sync import Triverse

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["async_client", "client"]

_BASE_URL = "http://127.0.0.1"


def client(sandbox: Sandbox, key: str) -> Triverse:
    """A sync client whose requests never leave the process."""
    return Triverse(key, base_url=_BASE_URL, http_client=httpx.Client(transport=_transport(sandbox)))


def async_client(sandbox: Sandbox, key: str) -> AsyncTriverse:
    """An async client whose requests never leave the process."""
    return AsyncTriverse(key, base_url=_BASE_URL, http_client=httpx.AsyncClient(transport=_transport(sandbox)))


def _transport(sandbox: Sandbox) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        answer = sandbox.answer(request.method, request.url.path, request.headers.get("authorization"))
        return httpx.Response(answer.status, content=answer.body, headers={"Content-Type": "application/json"})

    return httpx.MockTransport(handle)
