from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from uuid import UUID

import anyio
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.service import KEY, ok, service

from triverse import AsyncTriverse, AuthenticationError, UserBalance
from triverse.fastapi import (
    CurrentBalance,
    DownloadResponse,
    TenantDep,
    TriverseDep,
    get_triverse,
    install_error_handlers,
    lifespan,
)
from triverse.sandbox import Sandbox


def application() -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/mine")
    async def mine(tenant: TenantDep) -> UserBalance:
        return await tenant.users.balance()

    @app.get("/mine-shared")
    async def mine_shared(tenant: TenantDep) -> UserBalance:
        return await tenant.users.balance(max_age=30.0)

    @app.get("/ours")
    async def ours(balance: CurrentBalance) -> UserBalance:
        return balance

    return app


@pytest.mark.anyio
async def test_of_fifty_tenants_at_once_none_sees_the_data_of_another() -> None:
    sandbox, app = Sandbox(), application()
    owned = {sandbox.add_account(api_credits=number).key: float(number) for number in range(1, 51)}
    calls = [(key, path) for key in owned for path in ("/mine", "/mine", "/mine-shared", "/ours")]
    random.Random(5).shuffle(calls)  # noqa: S311 - any order will do
    seen: Counter[bool] = Counter()
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")

    async def ask(key: str | None, path: str, expected: float) -> None:
        response = await http.get(path, headers={"Authorization": f"Bearer {key}"})
        seen[response.json() == {"balance": expected, "frozen": 0.0}] += 1

    async with lifespan(app, sandbox.async_client()), http, anyio.create_task_group() as tasks:
        for key, path in calls:
            tasks.start_soon(ask, key, path, 1200.0 if path == "/ours" else owned[key])
    assert seen == {True: 200}


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, "Bearer"),
        (b"Basic YTpi", "Bearer"),
        (b"Bearer ", "Bearer"),
        (b"Bearer tv-k\xe9y", 'Bearer error="invalid_token"'),
    ],
)
def test_without_a_key_that_could_be_one_nothing_is_sent_and_the_answer_is_401(
    authorization: bytes | None, challenge: str
) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    app = application()
    app.dependency_overrides[get_triverse] = lambda: service(refuse)
    headers = {} if authorization is None else {b"Authorization": authorization}
    response = TestClient(app).get("/mine", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == challenge
    assert response.headers["content-type"] == "application/problem+json"


def downloads(service: AsyncTriverse) -> TestClient:
    app = FastAPI()
    install_error_handlers(app)
    app.dependency_overrides[get_triverse] = lambda: service

    @app.get("/file")
    async def read_file(tenant: TenantDep) -> DownloadResponse:
        return DownloadResponse(tenant, UUID(int=7))

    @app.get("/preview")
    async def read_preview(tenant: TenantDep) -> DownloadResponse:
        return DownloadResponse(tenant, UUID(int=7), preview=True)

    @app.get("/saved")
    async def save(tenant: TenantDep, path: str) -> str:
        return str(await tenant.tasks.download(UUID(int=7), path))

    return TestClient(app, headers={"Authorization": "Bearer tv-unknown"})


@pytest.mark.parametrize("path", ["/file", "/preview", "/saved"])
def test_a_download_with_a_refused_key_is_answered_401(path: str, tmp_path: Path) -> None:
    http = downloads(Sandbox().async_client())
    response = http.get(path, params={"path": str(tmp_path / "a.glb")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.json()["task_uuid"] == str(UUID(int=7))


def test_a_storage_that_refuses_a_download_does_not_blame_the_callers_key() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "storage.example":
            return httpx.Response(403)
        return httpx.Response(302, headers={"Location": "https://storage.example/file"})

    assert downloads(service(answer)).get("/file").status_code == 502


def test_the_key_is_a_security_scheme_of_the_openapi_page() -> None:
    description = application().openapi()
    assert description["components"]["securitySchemes"] == {
        "TriverseKey": {"type": "http", "scheme": "bearer", "description": "Your own Triverse API key."}
    }
    assert description["paths"]["/mine"]["get"]["security"] == [{"TriverseKey": []}]
    assert "security" not in description["paths"]["/ours"]["get"]


def test_a_refused_key_can_be_caught_as_for_any_client() -> None:
    app = FastAPI()
    app.dependency_overrides[get_triverse] = lambda: Sandbox().async_client()

    @app.get("/")
    async def try_it(tenant: TenantDep) -> str:
        try:
            await tenant.users.me()
        except AuthenticationError as error:
            return f"{type(error).__name__}, from {type(error.__cause__).__name__}: {error.message}"
        raise AssertionError

    response = TestClient(app).get("/", headers={"Authorization": "Bearer tv-unknown"})
    assert response.json() == "TenantKeyError, from AuthenticationError: The API key is missing or wrong."


def test_a_tenants_client_has_the_options_and_the_connections_of_the_shared_one() -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        return ok({"balance": 1, "frozen": 0})

    app = FastAPI()
    shared = service(answer)
    app.dependency_overrides[get_triverse] = lambda: shared

    @app.get("/")
    async def both(tenant: TenantDep, client: TriverseDep) -> None:
        await tenant.with_options(deadline=5.0).users.balance()
        await client.users.balance()

    assert TestClient(app).get("/", headers={"Authorization": "bearer tv-tenant"}).status_code == 200
    assert sent == ["Bearer tv-tenant", f"Bearer {KEY}"]
