from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from attrs import frozen
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from support.service import KEY, failing, service

from triverse import (
    AsyncTriverse,
    DeadlineExceededError,
    TaskCancelledError,
    TaskFailedError,
    TriverseError,
    UserBalance,
)
from triverse.fastapi import CurrentBalance, TenantDep, TriverseDep, get_triverse, install_error_handlers
from triverse.fastapi.error_handlers import problem_of

if TYPE_CHECKING:
    import httpx2

TENANTS_KEY = "tv-a-tenants-own-key"


def application(client: AsyncTriverse) -> FastAPI:
    app, router = FastAPI(), APIRouter()
    install_error_handlers(app)

    @router.get("/credits")
    async def read(balance: CurrentBalance) -> UserBalance:
        return balance

    @router.get("/mine")
    async def read_mine(tenant: TenantDep) -> UserBalance:
        return await tenant.users.balance(max_age=1.0)

    @router.get("/both")
    async def read_both(_balance: CurrentBalance, tenant: TenantDep) -> UserBalance:
        return await tenant.users.balance()

    app.include_router(router)
    app.dependency_overrides[get_triverse] = lambda: client
    return app


def ask(answer: Callable[[httpx.Request], httpx.Response], path: str = "/credits") -> httpx2.Response:
    http = TestClient(application(service(answer)))
    response = http.get(path, headers={"Authorization": f"Bearer {TENANTS_KEY}"})
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == "about:blank"
    assert KEY not in response.text
    assert TENANTS_KEY not in response.text
    assert "Traceback" not in response.text
    return response


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [
        (400, 1004, 400),
        (402, 0, 402),
        (403, 2010, 402),
        (404, 1005, 404),
        (405, 405, 502),
        (409, 2005, 409),
        (422, 1004, 400),
        (429, 2000, 429),
        (500, 5004, 502),
        (503, 5003, 503),
        (504, 0, 502),
    ],
)
def test_an_error_of_the_service_becomes_a_problem_document(status: int, code: int, answered: int) -> None:
    response = ask(lambda _: failing(status, code))
    assert response.status_code == answered
    assert response.json()["code"] == code
    assert response.json()["request_id"] == "r-1"


def test_a_problem_document_has_the_services_text_where_it_helps_the_caller() -> None:
    assert ask(lambda _: failing(404, 1005)).json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No 404. Correct 404.",
        "code": 1005,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(("status", "answered"), [(429, 429), (500, 502), (503, 503)])
def test_retry_after_is_passed_on_in_whole_seconds(status: int, answered: int) -> None:
    response = ask(lambda _: failing(status, headers={"Retry-After": "7"}))
    assert (response.status_code, response.headers["retry-after"]) == (answered, "7")
    assert "retry-after" not in ask(lambda _: failing(status)).headers


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_a_service_that_cannot_be_reached_is_a_503(error: type[httpx.RequestError]) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error("no")

    response = ask(fail)
    assert response.status_code == 503
    assert response.json()["title"] == "Service Unavailable"
    assert "code" not in response.json()


def test_an_invalid_response_is_a_502() -> None:
    assert ask(lambda _: httpx.Response(200, text="<html>")).status_code == 502


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_of_the_application_is_a_502_and_is_logged(status: int, caplog: pytest.LogCaptureFixture) -> None:
    response = ask(lambda _: failing(status))
    assert response.status_code == 502
    assert "www-authenticate" not in response.headers
    assert response.json()["detail"].startswith("This application is not configured correctly for Triverse.")
    (record,) = [record for record in caplog.records if record.name == "triverse.fastapi"]
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(
        f"answered 502: No {status} (GET http://127.0.0.1/users/balance: HTTP {status}"
    )
    assert KEY not in caplog.text


@pytest.mark.parametrize(("status", "answered"), [(401, 401), (403, 403)])
def test_a_refused_key_of_a_tenant_is_an_error_of_the_caller(
    status: int, answered: int, caplog: pytest.LogCaptureFixture
) -> None:
    response = ask(lambda _: failing(status), "/mine")
    assert response.status_code == answered
    challenge = 'Bearer error="invalid_token"' if answered == 401 else None
    assert response.headers.get("www-authenticate") == challenge
    assert not [record for record in caplog.records if record.name == "triverse.fastapi"]


@pytest.mark.parametrize(("refused", "answered"), [(KEY, 502), (TENANTS_KEY, 401)])
def test_the_status_depends_on_which_of_two_keys_was_refused(refused: str, answered: int) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] == f"Bearer {refused}":
            return failing(401)
        return httpx.Response(200, json={"code": 0, "message": "success", "data": {"balance": 1, "frozen": 0}})

    assert ask(refuse, "/both").status_code == answered


def test_an_application_without_its_lifespan_answers_500_and_logs_why(caplog: pytest.LogCaptureFixture) -> None:
    app = application(service())
    del app.dependency_overrides[get_triverse]
    response = TestClient(app).get("/credits")
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert "lifespan" not in response.text
    assert "lifespan" in caplog.text


def test_a_mounted_application_has_handlers_of_its_own() -> None:
    app = FastAPI()
    app.mount("/below", application(service(lambda _: failing(503))))
    assert TestClient(app).get("/below/credits").json()["status"] == 503


def test_an_error_of_another_kind_is_left_alone() -> None:
    app = application(service())

    @app.get("/broken")
    async def broken(_client: TriverseDep) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        TestClient(app).get("/broken")


def described(app: FastAPI, path: str) -> dict[str, object]:
    responses: dict[str, object] = app.openapi()["paths"][path]["get"]["responses"]
    return responses


def test_every_problem_is_in_the_openapi() -> None:
    app = application(service())
    always = {"200", "400", "402", "404", "409", "422", "429", "500", "502", "503", "504"}
    assert set(described(app, "/credits")) == always
    assert set(described(app, "/mine")) == always | {"401", "403"}
    assert described(app, "/credits")["429"] == {
        "description": "Too Many Requests",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/TriverseProblem"}}},
        "headers": {
            "Retry-After": {
                "description": "Seconds to wait, if Triverse sent them.",
                "schema": {"type": "integer"},
            }
        },
    }
    schema = app.openapi()["components"]["schemas"]["TriverseProblem"]
    assert set(schema["required"]) == {"type", "title", "status", "detail"}


def test_the_applications_own_description_of_a_status_is_kept() -> None:
    app = application(service())
    app.add_api_route("/expensive", lambda: None, responses={402: {"description": "Ask your boss."}})
    assert described(app, "/expensive")["402"] == {"description": "Ask your boss."}


def test_an_application_with_no_routes_can_be_described() -> None:
    app = FastAPI()
    install_error_handlers(app)
    assert app.openapi()["paths"] == {}


TASK = UUID(int=1)


@frozen
class State:
    """The attributes of a task that an error needs."""

    error: Mapping[str, object] | str | None
    reason: str | None = "No mesh"
    task_uuid: UUID = TASK
    status: str = "FAILED"
    flow_name: str | None = None
    progress: float | None = None


def late(state: State | None) -> TriverseError:
    error = DeadlineExceededError("late")
    error.task, error.task_uuid = state, UUID(int=1)
    return error


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (TaskFailedError("no", task=State({"code": 2008})), 422, "No mesh"),
        (TaskFailedError("no", task=State({"code": [2008]})), 502, "The Triverse task failed."),
        (TaskFailedError("no", task=State({"code": 2008}, None)), 422, "The Triverse task failed."),
        (TaskFailedError("no", task=State({"code": 5005})), 502, "The Triverse task failed."),
        (TaskFailedError("no", task=State("2008")), 502, "The Triverse task failed."),
        (TaskCancelledError("no", task=State(None)), 502, "The Triverse task was cancelled."),
        (late(None), 504, "The Triverse task takes too long. Ask for it again later."),
    ],
)
def test_a_task_without_a_result_becomes_a_problem_document(error: TriverseError, status: int, detail: str) -> None:
    problem = problem_of(error)
    assert (problem.status_code, problem.problem.detail) == (status, detail)
    assert problem.problem.document()["task_uuid"] == str(UUID(int=1))
