"""The sandbox as an ASGI application."""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.http import Delivery, SandboxResponse, failure
from triverse.sandbox.spool import Spool

if TYPE_CHECKING:
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["TRANSPORT", "application"]

TRANSPORT: Final = "triverse.transport"
"""The ASGI extension under which our server passes the connection, so that faults can break it."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def application(sandbox: Sandbox) -> Starlette:
    """Return the application. It has one endpoint, since the sandbox does its own routing."""
    return Starlette(routes=[Route("/{path:path}", Endpoint(sandbox))], exception_handlers={HTTPException: _no_route})


async def _no_route(_request: Request, _error: Exception) -> Response:
    """For targets such as `*`, which match no route."""
    response = failure(ERROR_SPECS[1005])
    return Response(response.body, response.status, response.headers)


class Endpoint:
    """Calls the sandbox, and delivers its response."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._respond(scope, receive)
        if await _wait_for_disconnect(receive, response.latency):
            return
        if not response.delivery.arrives:
            await _abort_connection(scope, receive, reset=True)
            return
        await send({"type": "http.response.start", "status": response.status, "headers": _headers(response)})
        for chunk in response.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if await _wait_for_disconnect(receive, response.pause):
                return
        if response.breaks_off:
            await _abort_connection(scope, receive, reset=response.delivery is Delivery.ABORTED)
            return
        await send({"type": "http.response.body"})

    async def _respond(self, scope: Scope, receive: Receive) -> SandboxResponse:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        path, query = f"/{scope['path_params']['path']}", scope.get("query_string", b"").decode("latin-1")
        body = await self._body(path, receive)
        host = dict(headers).get("host", "127.0.0.1")
        handle = partial(
            self._sandbox.handle,
            scope["method"],
            f"{path}?{query}" if query else path,
            headers,
            body,
            origin=f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '')}",
        )
        if body.is_large or self._sandbox.calls_functions:
            # In a thread: files take time, and functions of the user's may send requests to this server.
            return await to_thread.run_sync(handle)
        return handle()

    async def _body(self, path: str, receive: Receive) -> Spool:
        """Receive the body to its end, or what came of it before the client went away.

        A server that responds earlier and closes the connection sends a reset to a client that is still sending.
        """
        spool, more = Spool(self._sandbox, path), True
        while more:
            message = await receive()
            spool.write(message.get("body", b""))
            more = message.get("more_body", False)
        return spool


async def _wait_for_disconnect(receive: Receive, seconds: float) -> bool:
    """Wait; return whether the client went away meanwhile."""
    if not seconds:
        return False
    with anyio.move_on_after(seconds):
        await receive()  # the body was received to its end, so the next message is a disconnect
        return True
    return False


async def _abort_connection(scope: Scope, receive: Receive, *, reset: bool) -> None:
    transport = cast("Transport | None", scope.get("extensions", {}).get(TRANSPORT))
    if transport is None:
        message = "cannot reset the connection under this ASGI server; use Sandbox.serve() for this fault"
        raise ConnectionResetError(message)
    if reset:
        connection = cast("socket.socket", transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    await _wait_for_disconnect(receive, float("inf"))


def _headers(response: SandboxResponse) -> list[tuple[bytes, bytes]]:
    headers = {**response.headers, "Content-Length": str(response.size)}
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
