"""The sandbox without a socket: httpx transports that ask it directly."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final, cast

import anyio
import httpx

from triverse.clients.asynchronous import AsyncTriverse
from triverse.clients.sync import Triverse
from triverse.sandbox.http import Answer, Delivery

if TYPE_CHECKING:
    from triverse.sandbox.accounts import Account
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["async_client", "client"]

_BASE_URL: Final = "http://127.0.0.1/api/v1"
# What `time.sleep` takes; longer than any test waits.
_FOREVER: Final = 1e6


def client(sandbox: Sandbox, account: Account) -> Triverse:
    """A sync client whose requests never leave the process."""
    return Triverse(account.key, base_url=_BASE_URL, http_client=httpx.Client(transport=Transport(sandbox)))


def async_client(sandbox: Sandbox, account: Account) -> AsyncTriverse:
    """An async client whose requests never leave the process."""
    http_client = httpx.AsyncClient(transport=AsyncTransport(sandbox))
    return AsyncTriverse(account.key, base_url=_BASE_URL, http_client=http_client)


class Transport(httpx.BaseTransport):
    """Answers for threads."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the sandbox, and wait as long as its answer takes."""
        answer = _ask(self._sandbox, request, request.read())
        limit = _read_limit(request)
        time.sleep(min(answer.latency, limit))
        _fail_early(answer, limit)
        return httpx.Response(answer.status, headers=_headers(answer), stream=Stream(answer))


class AsyncTransport(httpx.AsyncBaseTransport):
    """Answers for tasks."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the sandbox, and wait as long as its answer takes."""
        answer = _ask(self._sandbox, request, await request.aread())
        limit = _read_limit(request)
        await anyio.sleep(min(answer.latency, limit))
        _fail_early(answer, limit)
        return httpx.Response(answer.status, headers=_headers(answer), stream=AsyncStream(answer))


class Stream(httpx.SyncByteStream):
    """The body, as it arrives."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._answer.pieces():
            time.sleep(self._answer.pause)
            yield piece
        _fail_late(self._answer)


class AsyncStream(httpx.AsyncByteStream):
    """The body, as it arrives."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._answer.pieces():
            await anyio.sleep(self._answer.pause)
            yield piece
        _fail_late(self._answer)


def _ask(sandbox: Sandbox, request: httpx.Request, body: bytes) -> Answer:
    return sandbox.handle(request.method, request.url.path, request.headers.multi_items(), body)


def _headers(answer: Answer) -> dict[str, str]:
    return {**answer.headers, "Content-Length": str(len(answer.body))}


def _read_limit(request: httpx.Request) -> float:
    limits = cast("dict[str, float | None]", request.extensions.get("timeout", {}))
    limit = limits.get("read")
    return _FOREVER if limit is None else limit


def _fail_early(answer: Answer, limit: float) -> None:
    """What a socket would have failed with by now."""
    if answer.latency > limit:
        message = "the sandbox did not answer in time"
        raise httpx.ReadTimeout(message)
    if answer.delivery is Delivery.RESET:
        message = "the sandbox reset the connection"
        raise httpx.ReadError(message)


def _fail_late(answer: Answer) -> None:
    if answer.delivery is Delivery.TRUNCATED:
        message = "the sandbox closed the connection without sending the whole body"
        raise httpx.RemoteProtocolError(message)
