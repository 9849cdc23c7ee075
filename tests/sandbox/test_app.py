from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from triverse import AsyncTriverse, ConnectionFailedError, TransportError
from triverse.sandbox import Delivery, Fault, Sandbox

pytestmark = pytest.mark.anyio


def through(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_the_client_reaches_the_application(prefix: str) -> None:
    sandbox = Sandbox()
    async with (
        through(sandbox.app()) as http,
        AsyncTriverse(sandbox.demo.key, base_url=f"http://127.0.0.1{prefix}", http_client=http) as client,
    ):
        assert (await client.users.balance()).balance == 1200.0


async def test_it_can_be_mounted_in_another_application() -> None:
    sandbox = Sandbox()
    app = Starlette(routes=[Mount("/triverse", sandbox.app())])
    async with through(app) as http:
        headers = {"Authorization": f"Bearer {sandbox.demo.key}"}
        response = await http.get("/triverse/api/v1/users/balance", headers=headers)
    assert response.json()["data"] == {"balance": 1200.0, "frozen": 0.0}


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.truncated()], ids=["reset", "truncated"])
async def test_a_broken_connection_is_an_error_without_a_socket_too(fault: Fault) -> None:
    sandbox = Sandbox()
    sandbox.faults.add(fault)
    async with (
        through(sandbox.app()) as http,
        AsyncTriverse("tv-any-key", base_url="http://127.0.0.1", http_client=http, max_retries=0) as client,
    ):
        with pytest.raises(TransportError) as caught:
            await client.users.me()
    assert isinstance(caught.value, ConnectionFailedError) or "connection" in str(caught.value)


async def test_a_late_response_arrives() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(latency=0.01, delivery=Delivery.TRICKLED, pause=0.0001))
    async with through(sandbox.app()) as http:
        assert (await http.get("/users/me")).status_code == 401
        assert (await http.post("/users/me", content=b"more than anyone reads" * 100_000)).status_code == 405
