from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from support.service import KEY, service

from triverse import AsyncTriverse, ConfigurationError, UserBalance
from triverse.fastapi import CurrentBalance, TriverseDep, get_current_balance, get_triverse, lifespan

CREDITS = {"balance": 100.5, "frozen": 20.0}


class Wrapped:
    """A middleware that hides the application that it wraps."""

    def __init__(self, inner: FastAPI) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._inner(scope, receive, send)


async def read_credits(client: TriverseDep) -> UserBalance:
    return await client.users.balance()


def routed(app: FastAPI) -> FastAPI:
    """Add a route by a router to the application."""
    router = APIRouter(prefix="/my")
    router.add_api_route("/credits", read_credits)
    app.include_router(router)
    return app


def application(client: AsyncTriverse | None = None) -> FastAPI:
    """Return an application that opens this client in its own lifespan."""

    @asynccontextmanager
    async def own_lifespan(app: FastAPI) -> AsyncGenerator[dict[str, object], None]:
        async with lifespan(app, client or service()) as state:
            yield {**state, "mine": 1}

    return routed(FastAPI(lifespan=own_lifespan))


def test_lifespan_is_all_that_an_application_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    app, seen = FastAPI(lifespan=lifespan), list[AsyncTriverse]()

    @app.get("/")
    async def remember(client: TriverseDep) -> None:
        seen.append(client)

    with TestClient(app) as http:
        http.get("/")
        http.get("/")
    assert len(seen) == 2
    assert seen[0] is seen[1]


@pytest.mark.anyio
async def test_without_a_key_the_application_does_not_start() -> None:
    app = FastAPI(lifespan=lifespan)
    with pytest.raises(ConfigurationError, match="TRIVERSE_API_KEY"):
        await app.router.lifespan_context(app).__aenter__()


def test_the_client_comes_from_the_users_own_lifespan_whose_state_is_there_too() -> None:
    app = application()

    @app.get("/mine")
    async def mine(request: Request) -> int:
        value: int = request.state.mine
        return value

    with TestClient(app) as http:
        assert http.get("/my/credits").json() == CREDITS
        assert http.get("/mine").json() == 1


@pytest.mark.anyio
async def test_the_client_is_closed_when_the_application_ends() -> None:
    client = service()
    async with lifespan(app := FastAPI(), client):
        assert app.state.triverse is client
        await client.users.balance()
    with pytest.raises(ConfigurationError, match="closed"):
        await client.users.balance()
    assert not hasattr(app.state, "triverse")


def test_an_application_can_start_again() -> None:
    app = application()
    for _ in range(2):
        with TestClient(app) as http:
            assert http.get("/my/credits").json() == CREDITS


def test_a_router_can_bring_the_lifespan() -> None:
    @asynccontextmanager
    async def own_lifespan(app: FastAPI) -> AsyncGenerator[dict[str, AsyncTriverse], None]:
        async with lifespan(app, service()) as state:
            yield state

    router = APIRouter(lifespan=own_lifespan)
    router.add_api_route("/credits", read_credits)
    app = FastAPI()
    app.include_router(router)
    with TestClient(app) as http:
        assert http.get("/credits").json() == CREDITS


@pytest.mark.parametrize("started", [True, False])
def test_without_the_lifespan_the_error_contains_the_remedy(*, started: bool) -> None:
    http = TestClient(routed(FastAPI()))
    with pytest.raises(ConfigurationError, match=r"FastAPI\(lifespan=triverse.fastapi.lifespan\)"):
        http.get("/my/credits")
    if started:
        with http, pytest.raises(ConfigurationError, match="lifespan"):
            http.get("/my/credits")


def mounted(app: Starlette) -> Starlette:
    """Mount applications: one, one below it, and one inside of a middleware."""
    middle = FastAPI()
    middle.mount("/bottom", routed(FastAPI()))
    app.mount("/middle", routed(middle))
    app.mount("/wrapped", Wrapped(routed(FastAPI())))
    return app


@pytest.mark.parametrize("path", ["/middle", "/middle/bottom", "/wrapped"])
def test_mounted_applications_use_the_same_client(path: str) -> None:
    with TestClient(mounted(application())) as http:
        assert http.get(f"{path}/my/credits").json() == CREDITS


def test_below_a_starlette_application_it_works_too() -> None:
    @asynccontextmanager
    async def own_lifespan(app: Starlette) -> AsyncGenerator[dict[str, AsyncTriverse], None]:
        async with lifespan(app, service()) as state:
            yield state

    with TestClient(Starlette(routes=[Mount("/api", routed(FastAPI()))], lifespan=own_lifespan)) as http:
        assert http.get("/api/my/credits").json() == CREDITS


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["", "/middle", "/middle/bottom"])
async def test_it_works_over_httpx_which_starts_no_lifespan_by_itself(path: str) -> None:
    app = mounted(routed(FastAPI()))
    transport = httpx.ASGITransport(app)
    async with lifespan(app, service()), httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        assert (await http.get(f"{path}/my/credits")).json() == CREDITS


@pytest.mark.anyio
async def test_a_mounted_application_can_have_a_client_of_its_own() -> None:
    below = routed(FastAPI())
    app = routed(FastAPI())
    app.mount("/below", below)
    own, shared, seen = service(), service(), list[AsyncTriverse]()

    @below.get("/which")
    async def which(client: TriverseDep) -> None:
        seen.append(client)

    transport = httpx.ASGITransport(app)
    async with lifespan(app, shared), httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        async with lifespan(below, own):
            await http.get("/below/which")
            assert seen == [own]
        assert (await http.get("/my/credits")).json() == CREDITS


def test_a_test_can_put_another_client_in_its_place() -> None:
    app = routed(FastAPI())
    app.dependency_overrides[get_triverse] = service
    assert TestClient(app).get("/my/credits").json() == CREDITS


def test_a_test_can_put_another_balance_in_its_place() -> None:
    app = FastAPI()

    @app.get("/credits")
    async def read(balance: CurrentBalance) -> UserBalance:
        return balance

    app.dependency_overrides[get_current_balance] = lambda: UserBalance(1.0, 2.0)
    assert TestClient(app).get("/credits").json() == {"balance": 1.0, "frozen": 2.0}


def test_without_fastapi_the_error_names_what_to_install() -> None:
    program = "import sys; sys.modules['fastapi'] = None\nimport triverse.fastapi"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith('fastapi is not installed: pip install "triverse[fastapi]"')
