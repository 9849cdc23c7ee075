"""Clients of a sandbox in process that record the body of each request, and calls without pauses between attempts."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

import httpx
from attrs import define, field

from triverse import AsyncTriverse, Timeout, Triverse
from triverse.clients import system
from triverse.sandbox import Account, Sandbox
from triverse.sandbox.mock_transport import AsyncTransport, Transport

__all__ = ["Recorder", "no_backoff"]

BASE_URL = "http://127.0.0.1/api/v1"
# A request without a response is given up after this number of seconds.
PATIENCE = 0.001


@contextmanager
def no_backoff() -> Generator[None]:
    """Make each backoff a pause of 0 seconds. Its jitter is full, so 0 is one of its values."""
    with patch.object(system, "SYSTEM", system.SYSTEM._replace(jitter=lambda: 0.0)):
        yield


@define
class Recorder:
    """Records what reaches the sandbox.

    Attributes:
        sandbox: the service.
        account: the account whose key is sent.
        bodies: of the requests so far.
    """

    sandbox: Sandbox
    account: Account
    bodies: list[dict[str, object]] = field(factory=list[dict[str, object]])

    def client(self, timeout: float = PATIENCE) -> Triverse:
        return Triverse(
            self.account.key,
            base_url=BASE_URL,
            http_client=httpx.Client(transport=_Recording(self)),
            timeout=Timeout(read=timeout),
        )

    def async_client(self, timeout: float = PATIENCE) -> AsyncTriverse:
        return AsyncTriverse(
            self.account.key,
            base_url=BASE_URL,
            http_client=httpx.AsyncClient(transport=_AsyncRecording(self)),
            timeout=Timeout(read=timeout),
        )

    def record(self, content: bytes) -> None:
        self.bodies.append(json.loads(content or b"{}"))


class _Recording(Transport):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder.sandbox)
        self._recorder = recorder

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._recorder.record(request.read())
        return super().handle_request(request)


class _AsyncRecording(AsyncTransport):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder.sandbox)
        self._recorder = recorder

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._recorder.record(await request.aread())
        return await super().handle_async_request(request)
