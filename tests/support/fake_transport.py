"""A fake service behind an httpx transport, without sockets. The test chooses each response."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import httpx
from attrs import define, field

from triverse import AsyncTriverse, Triverse
from triverse.core.secret import AsyncKeySource, KeySource

__all__ = ["BASE_URL", "FakeApi"]

BASE_URL = "http://127.0.0.1:1/api/v1"

Step = int | tuple[float, float] | Callable[[], object]


@define
class FakeApi:
    """Answers `GET /users/balance`.

    Attributes:
        accounts: available and frozen credits of each key. Any other key gets a 401.
        script: overrides the accounts, one step for each request: a status to fail with, credits to return, or a
            function to call first.
        requests: how many requests each key sent.
        pause: awaited before each async response.
        hold: called before each sync response.
    """

    accounts: dict[str, tuple[float, float]] = field(factory=lambda: {"key-of-one": (100.0, 0.0)})
    script: deque[Step] = field(factory=deque[Step])
    requests: Counter[str] = field(factory=Counter[str])
    pause: Callable[[], Awaitable[object]] | None = None
    hold: Callable[[], object] | None = None
    lock: threading.Lock = field(factory=threading.Lock)

    def respond(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"].removeprefix("Bearer ")
        with self.lock:
            self.requests[key] += 1
            step = self.script.popleft() if self.script else None
        if callable(step):
            step()
        if isinstance(step, int):
            return httpx.Response(step, json={"code": 5003, "message": "scripted"})
        owned = self.accounts.get(key) if step is None or callable(step) else step
        if owned is None:
            return httpx.Response(401, json={"code": 1001, "message": "unknown key"})
        data = {"balance": owned[0], "frozen": owned[1]}
        return httpx.Response(200, json={"code": 0, "message": "success", "data": data})

    def respond_held(self, request: httpx.Request) -> httpx.Response:
        response = self.respond(request)
        if self.hold is not None:
            self.hold()
        return response

    async def respond_paused(self, request: httpx.Request) -> httpx.Response:
        response = self.respond(request)
        await (anyio.lowlevel.checkpoint() if self.pause is None else self.pause())
        return response

    @contextmanager
    def client(
        self, key: KeySource = "key-of-one", *, max_connections: int = 100, deadline: float | None = 60
    ) -> Generator[Triverse, None, None]:
        transport = httpx.MockTransport(self.respond_held)
        with (
            httpx.Client(transport=transport) as http_client,
            Triverse(
                key,
                base_url=BASE_URL,
                http_client=http_client,
                max_retries=0,
                max_connections=max_connections,
                deadline=deadline,
            ) as client,
        ):
            yield client

    @asynccontextmanager
    async def async_client(
        self, key: AsyncKeySource = "key-of-one", *, max_connections: int = 100, deadline: float | None = 60
    ) -> AsyncGenerator[AsyncTriverse, None]:
        transport = httpx.MockTransport(self.respond_paused)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            AsyncTriverse(
                key,
                base_url=BASE_URL,
                http_client=http_client,
                max_retries=0,
                max_connections=max_connections,
                deadline=deadline,
            ) as client,
        ):
            yield client
