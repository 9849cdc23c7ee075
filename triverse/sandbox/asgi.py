"""The sandbox as an ASGI application."""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from typing import TYPE_CHECKING, Final, cast

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from triverse.sandbox.errors import DOCUMENTED
from triverse.sandbox.http import MAX_BODY_BYTES, Answer, Delivery, failure

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["TRANSPORT", "application"]

TRANSPORT: Final = "triverse.transport"
"""The ASGI extension under which our server hands on the connection, so that faults can break it."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def application(sandbox: Sandbox) -> Starlette:
    """The application: one endpoint, since the sandbox does its own routing."""
    return Starlette(
        routes=[Route("/{path:path}", Endpoint(sandbox))], exception_handlers={HTTPException: _not_even_a_path}
    )


async def _not_even_a_path(_request: Request, _error: Exception) -> Response:
    """For targets such as `*`, which lead to no route."""
    answer = failure(DOCUMENTED[1005])
    return Response(answer.body, answer.status, answer.headers)


class Endpoint:
    """Asks the sandbox, and delivers its answer as it says."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        body = await _body(receive)
        answer = self._sandbox.handle(scope["method"], f"/{scope['path_params']['path']}", headers, body)
        if await _hangs_up(receive, answer.latency):
            return
        if answer.delivery is Delivery.RESET:
            await _break_off(scope, receive, reset=True)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
        for piece in answer.pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if await _hangs_up(receive, answer.pause):
                return
        if answer.delivery is Delivery.TRUNCATED:
            await _break_off(scope, receive, reset=False)
            return
        await send({"type": "http.response.body"})


async def _body(receive: Receive) -> bytes:
    """The body, no longer than anyone looks at, or what came of it before the client went away."""
    body, more = b"", True
    while more and len(body) < MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _hangs_up(receive: Receive, seconds: float) -> bool:
    """Wait; whether the client went away meanwhile."""
    if not seconds:
        return False
    with anyio.move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass
        return True
    return False


async def _break_off(scope: Scope, receive: Receive, *, reset: bool) -> None:
    transport = cast("Transport | None", scope.get("extensions", {}).get(TRANSPORT))
    if transport is None:
        message = "the connection breaks here; a whole one to break is only there on the sandbox's own port"
        raise ConnectionResetError(message)
    if reset:
        connection = cast("socket.socket", transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    await _hangs_up(receive, float("inf"))


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
