from __future__ import annotations

from collections import Counter
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from support.service import BALANCE, KEY, USER, ok, service

from triverse import ConfigurationError, UserBalance, UserInfo
from triverse.fastapi import (
    CurrentBalance,
    CurrentUser,
    credits_required,
    current_balance,
    get_tenant,
    get_triverse,
    install_error_handlers,
)


class Service:
    """Answers every request successfully, and counts the requests by key and path."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.client = service(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        self.asked[key, request.url.path] += 1
        if request.url.path == "/users/me":
            return ok(USER)
        return ok({"balance": 5, "frozen": 0} if key == "tv-poor-tenant" else BALANCE)


def application(triverse: Service) -> FastAPI:
    app = FastAPI()
    app.dependency_overrides[get_triverse] = lambda: triverse.client

    @app.get("/everything")
    async def everything(
        user: CurrentUser,
        same_user: CurrentUser,
        balance: CurrentBalance,
        covered: Annotated[UserBalance, Depends(credits_required(30))],
        covered_too: Annotated[UserBalance, Depends(credits_required(100.5))],
    ) -> list[bool]:
        return [user is same_user, balance is covered, covered is covered_too]

    @app.get("/expensive")
    async def expensive(balance: Annotated[UserBalance, Depends(credits_required(100.6))]) -> UserBalance:
        raise AssertionError(balance)

    @app.get("/busy")
    async def busy(
        balance: Annotated[UserBalance, Depends(credits_required(30, max_age=60.0))],
        same: Annotated[UserBalance, Depends(current_balance(max_age=60.0))],
    ) -> bool:
        return balance is same

    @app.get("/tenant")
    async def tenant(balance: Annotated[UserBalance, Depends(credits_required(30, client=get_tenant))]) -> UserBalance:
        return balance

    @app.get("/me")
    async def me(user: CurrentUser) -> UserInfo:
        return user

    return app


def test_user_and_balance_are_fetched_once_a_request_however_many_need_them() -> None:
    triverse = Service()
    http = TestClient(application(triverse))
    for requests in (1, 2):
        assert http.get("/everything").json() == [True, True, True]
        assert triverse.asked == {(KEY, "/users/me"): requests, (KEY, "/users/balance"): requests}


def test_too_few_credits_are_a_402_that_does_not_show_the_balance() -> None:
    app = application(Service())
    install_error_handlers(app)
    response = TestClient(app).get("/expensive")
    assert (response.status_code, response.headers["content-type"]) == (402, "application/problem+json")
    assert response.json() == {
        "type": "about:blank",
        "title": "Payment Required",
        "status": 402,
        "detail": "This costs 100.6 API credits, which is more than are available.",
        "cost": 100.6,
    }


def test_without_the_error_handlers_it_is_a_402_in_fastapis_own_form() -> None:
    response = TestClient(application(Service())).get("/expensive")
    assert response.status_code == 402
    assert response.json()["detail"].startswith("This costs 100.6 API credits")


def test_a_busy_endpoint_does_not_send_a_request_for_each_of_its_own() -> None:
    triverse = Service()
    with TestClient(application(triverse)) as http:
        assert [http.get("/busy").json() for _ in range(5)] == [True] * 5
    assert triverse.asked == {(KEY, "/users/balance"): 1}


def test_a_tenant_pays_with_the_tenants_own_credits() -> None:
    triverse = Service()
    http = TestClient(application(triverse))
    assert http.get("/tenant", headers={"Authorization": "Bearer tv-rich-tenant"}).json()["balance"] == 100.5
    assert http.get("/tenant", headers={"Authorization": "Bearer tv-poor-tenant"}).status_code == 402
    assert KEY not in {key for key, _ in triverse.asked}


def test_the_account_of_the_applications_own_key_is_available() -> None:
    assert TestClient(application(Service())).get("/me").json() == {**USER, "web_credits_balance": 3.0}


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), "30", None, True, 10**400])
def test_an_invalid_cost_is_refused_when_the_route_is_declared(cost: float) -> None:
    with pytest.raises(ConfigurationError, match="cost must be"):
        credits_required(cost)
