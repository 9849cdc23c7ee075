"""The sandbox without a socket: httpx transports that call it directly."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final, cast

import anyio
import httpx

from triverse.clients.asynchronous import AsyncTriverse
from triverse.clients.sync import Triverse
from triverse.sandbox.http import Delivery, SandboxResponse
from triverse.sandbox.spool import Spool

if TYPE_CHECKING:
    from triverse.sandbox.accounts import Account
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["AsyncTransport", "Transport", "async_client", "client"]

_BASE_URL: Final = "http://127.0.0.1/api/v1"
# The longest that `time.sleep` accepts everywhere; longer than any test waits.
_FOREVER: Final = 1e6


def client(sandbox: Sandbox, account: Account) -> Triverse:
    """Return a sync client whose requests never leave the process."""
    return Triverse(account.key, base_url=_BASE_URL, http_client=httpx.Client(transport=Transport(sandbox)))


def async_client(sandbox: Sandbox, account: Account) -> AsyncTriverse:
    """Return an async client whose requests never leave the process."""
    http_client = httpx.AsyncClient(transport=AsyncTransport(sandbox))
    return AsyncTriverse(account.key, base_url=_BASE_URL, http_client=http_client)


class Transport(httpx.BaseTransport):
    """Responses for threads."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Call the sandbox, and wait as long as its response takes."""
        spool = Spool(self._sandbox, request.url.path)
        for chunk in cast("httpx.SyncByteStream", request.stream):
            spool.write(chunk)
        response = _call(self._sandbox, request, spool)
        limit = _read_timeout(request)
        time.sleep(min(response.latency, limit))
        _raise_before_headers(response, limit)
        return httpx.Response(response.status, headers=_headers(response), stream=Stream(response))


class AsyncTransport(httpx.AsyncBaseTransport):
    """Responses for tasks."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Call the sandbox, and wait as long as its response takes."""
        spool = Spool(self._sandbox, request.url.path)
        async for chunk in cast("httpx.AsyncByteStream", request.stream):
            spool.write(chunk)
        response = _call(self._sandbox, request, spool)
        limit = _read_timeout(request)
        await anyio.sleep(min(response.latency, limit))
        _raise_before_headers(response, limit)
        return httpx.Response(response.status, headers=_headers(response), stream=AsyncStream(response))


class Stream(httpx.SyncByteStream):
    """The body, as it arrives."""

    def __init__(self, response: SandboxResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response.chunks():
            time.sleep(self._response.pause)
            yield chunk
        _raise_after_body(self._response)


class AsyncStream(httpx.AsyncByteStream):
    """The body, as it arrives."""

    def __init__(self, response: SandboxResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._response.chunks():
            await anyio.sleep(self._response.pause)
            yield chunk
        _raise_after_body(self._response)


def _call(sandbox: Sandbox, request: httpx.Request, spool: Spool) -> SandboxResponse:
    url = request.url
    target = url.path if not url.query else f"{url.path}?{url.query.decode('latin-1')}"
    return sandbox.handle(request.method, target, request.headers.multi_items(), spool, origin=_origin(url))


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _headers(response: SandboxResponse) -> dict[str, str]:
    return {**response.headers, "Content-Length": str(response.size)}


def _read_timeout(request: httpx.Request) -> float:
    timeouts = cast("dict[str, float | None]", request.extensions.get("timeout", {}))
    timeout = timeouts.get("read")
    return _FOREVER if timeout is None else timeout


def _raise_before_headers(response: SandboxResponse, timeout: float) -> None:
    """Raise what a socket would have raised by now."""
    if response.delivery is Delivery.REFUSED:
        raise httpx.ConnectError("the sandbox refused the connection")
    if response.latency > timeout:
        raise httpx.ReadTimeout("the sandbox did not respond in time")
    if response.delivery is Delivery.RESET:
        raise httpx.ReadError("the sandbox reset the connection")


def _raise_after_body(response: SandboxResponse) -> None:
    if response.delivery is Delivery.TRUNCATED:
        raise httpx.RemoteProtocolError("the sandbox closed the connection without sending the whole body")
    if response.delivery is Delivery.ABORTED:
        raise httpx.ReadError("the sandbox reset the connection within the body")
