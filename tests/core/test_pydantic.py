from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated
from uuid import UUID

import attrs
import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.service import BALANCE, USER

from triverse import AccountBalance, BalanceChange, ConfigurationError, Task, UserBalance, UserInfo
from triverse.core.structure import structurer

ADA = structurer(UserInfo)(dict(USER), "ada")
ADA_AS_JSON = (
    '{"id":"6f2d1c9e-0a4b-4c7d-9e1f-2b3a4c5d6e7f","email":"ada@example.com",'
    '"web_credits_balance":3.0,"api_credits_balance":100.5,"plan_name":null,"seats":4}'
)


class Team(BaseModel):
    lead: UserInfo
    purses: list[UserBalance] = []
    spare: UserBalance | None = None


def test_a_result_is_written_as_the_service_wrote_it() -> None:
    assert TypeAdapter(UserInfo).dump_json(ADA).decode() == ADA_AS_JSON


def test_a_result_is_read_back_with_its_unknown_fields() -> None:
    read = TypeAdapter(UserInfo).validate_json(ADA_AS_JSON)
    assert read.id == UUID("6f2d1c9e-0a4b-4c7d-9e1f-2b3a4c5d6e7f")
    assert read == ADA
    assert read.extra == {"seats": 4}


def test_an_optional_field_may_be_missing() -> None:
    without_plan = {name: value for name, value in USER.items() if name != "plan_name"}
    assert TypeAdapter(UserInfo).validate_python(without_plan) == ADA


class Work(BaseModel):
    task: Task


def test_a_field_of_the_wrong_type_is_written_as_it_was_read() -> None:
    queue = {"is_queued": True, "position": "third", "estimated_wait_seconds": [1]}
    fields = {
        "task_uuid": "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f",
        "status": "QUEUED",
        "queue": queue,
        "progress": {"a": 1},
    }
    work = Work(task=structurer(Task)(fields, ""))
    for written in (json.loads(work.model_dump_json()), work.model_dump(mode="json"), work.model_dump()):
        assert written["task"]["queue"] == queue
        assert written["task"]["progress"] == {"a": 1}
    assert "progress" not in work.model_dump(exclude={"task": {"progress"}})["task"]
    assert list(work.model_dump()["task"]) == [field.name for field in attrs.fields(Task) if field.name[0] != "_"]
    assert Work.model_validate_json(work.model_dump_json()) == work


def test_results_are_fields_of_a_users_models_in_both_directions() -> None:
    team = Team(lead=ADA, purses=[UserBalance(1.0, 2.0)])
    assert team.lead is ADA
    assert Team.model_validate_json(team.model_dump_json()) == team
    assert Team.model_validate(team.model_dump()) == team
    assert team.model_dump()["purses"] == [{"balance": 1.0, "frozen": 2.0}]


@pytest.mark.parametrize(
    ("purse", "place", "problem"),
    [
        ('{"balance": true, "frozen": 0}', ("purses", 0, "balance"), "expected a number, got true"),
        ('{"balance": "1", "frozen": 0}', ("purses", 0, "balance"), "expected a number, got a string"),
        ('{"balance": NaN, "frozen": 0}', ("purses", 0, "balance"), "expected a finite number, got NaN"),
        ('{"balance": 1}', ("purses", 0, "frozen"), "missing"),
        ("3", ("purses", 0), "expected an object, got the number 3"),
    ],
)
def test_pydantic_refuses_the_same_values_as_the_client(purse: str, place: tuple[object, ...], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Team.model_validate_json(f'{{"lead": {ADA_AS_JSON}, "purses": [{purse}]}}')
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (place, problem)


def test_a_value_that_json_cannot_hold_is_a_validation_error() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UserBalance).validate_python({"balance": object(), "frozen": 0})


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/annotated")
    async def annotated() -> UserInfo:
        return ADA

    @app.get("/model", response_model=UserInfo)
    async def as_response_model() -> object:
        return dict(USER)

    @app.get("/without-mail", response_model=UserInfo, response_model_exclude={"email"})
    async def without_mail() -> object:
        return ADA

    @app.get("/without-null", response_model=UserInfo, response_model_exclude_none=True)
    async def without_null() -> object:
        return ADA

    @app.get("/change")
    async def change() -> BalanceChange:
        return UserBalance(8.0, 0.0).change_since(UserBalance(10.0, 0.0))

    @app.get("/plain")
    async def plain():  # type: ignore[no-untyped-def]  # noqa: ANN202 - as in many applications
        return {"b": ADA, "failed": AccountBalance("b", error=ConfigurationError("no key"))}

    @app.get("/accounts")
    async def accounts() -> list[AccountBalance]:
        return [AccountBalance("a", UserBalance(1.0, 2.0)), AccountBalance("b", error=ConfigurationError("no key"))]

    @app.post("/teams")
    async def echo(team: Team) -> list[Team]:
        return [team]

    @app.post("/balances")
    async def total(balance: Annotated[UserBalance, Body()]) -> float:
        return balance.total

    return app


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/annotated", ADA_AS_JSON),
        ("/model", ADA_AS_JSON),
        ("/without-mail", ADA_AS_JSON.replace('"email":"ada@example.com",', "")),
        ("/without-null", ADA_AS_JSON.replace('"plan_name":null,', "")),
        (
            "/change",
            '{"balance_delta":-2.0,"frozen_delta":0.0,"frozen":2.0,"deducted":2.0,"released":0.0,"topped_up":0.0}',
        ),
    ],
)
def test_results_are_response_models(path: str, body: str) -> None:
    assert TestClient(application()).get(path).text == body


def test_fastapi_takes_results_inside_plain_return_values() -> None:
    body = TestClient(application()).get("/plain").json()
    assert body == {"b": json.loads(ADA_AS_JSON), "failed": {"name": "b", "balance": None, "error": "no key"}}


def test_fastapi_takes_results_where_the_annotation_does_not_name_their_class() -> None:
    app = FastAPI()

    @app.get("/")
    async def read() -> dict[str, object]:
        return {"b": ADA, "t": [Task(ADA.id, "RUNNING", output={"a": [1]})], "a": AccountBalance("a")}

    body = TestClient(app).get("/").json()
    assert body["b"] == json.loads(ADA_AS_JSON)
    assert body["t"][0]["output"] == {"a": [1]}
    assert body["a"] == {"name": "a", "balance": None, "error": None}


def test_results_are_values_of_fields_of_any_type() -> None:
    assert TypeAdapter(dict[str, object]).dump_json({"b": ADA}).decode() == f'{{"b":{ADA_AS_JSON}}}'
    assert TypeAdapter(list[object]).dump_python([UserBalance(1.0, 2.0)]) == [{"balance": 1.0, "frozen": 2.0}]


def test_without_pydantic_a_result_has_no_serializer() -> None:
    program = """
import sys, triverse
sys.modules["pydantic"] = sys.modules["pydantic_core"] = None
print(hasattr(triverse.UserBalance(1.0, 2.0), "__pydantic_serializer__"))
"""
    assert run(program) == "False"


def test_an_account_is_a_response_model_with_the_text_of_its_error() -> None:
    app = application()
    assert TestClient(app).get("/accounts").json() == [
        {"name": "a", "balance": {"balance": 1.0, "frozen": 2.0}, "error": None},
        {"name": "b", "balance": None, "error": "no key"},
    ]
    error = app.openapi()["components"]["schemas"]["AccountBalance"]["properties"]["error"]
    assert error["anyOf"] == [{"type": "string"}, {"type": "null"}]


def test_results_are_in_request_bodies() -> None:
    http = TestClient(application())
    assert http.post("/balances", json=dict(BALANCE)).json() == 120.5
    (team,) = http.post("/teams", json={"lead": dict(USER)}).json()
    assert team["lead"]["seats"] == 4
    refused = http.post("/balances", json={"balance": "much", "frozen": 0})
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "balance"]


def test_the_openapi_has_their_schema_with_texts_of_their_docstrings() -> None:
    schemas = application().openapi()["components"]["schemas"]
    assert {"UserInfo", "UserBalance", "BalanceChange", "Team"} <= set(schemas)
    assert schemas["UserBalance"] == {
        "title": "UserBalance",
        "description": "API credits: the service's `UserBalance`, from `GET /users/balance`.",
        "type": "object",
        "required": ["balance", "frozen"],
        "additionalProperties": True,
        "properties": {
            "balance": {
                "title": "Balance",
                "type": "number",
                "description": "credits that are available for new tasks.",
            },
            "frozen": {"title": "Frozen", "type": "number", "description": "credits held for tasks that are running."},
        },
    }
    user = schemas["UserInfo"]
    assert user["properties"]["id"]["format"] == "uuid"
    assert user["properties"]["plan_name"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert "plan_name" not in user["required"]
    assert schemas["Team"]["properties"]["lead"] == {"$ref": "#/components/schemas/UserInfo"}


def run(program: str, *options: str) -> str:
    done = subprocess.run([sys.executable, *options, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    return done.stdout.strip()


def test_the_schema_is_there_without_docstrings() -> None:
    program = "import pydantic, triverse; print(pydantic.TypeAdapter(triverse.UserBalance).json_schema()['title'])"
    assert run(program, "-OO") == "UserBalance"


def test_the_plain_package_loads_no_pydantic() -> None:
    program = """
import sys, triverse
triverse.UserBalance(1.0, 2.0)
print([name for name in sys.modules if name.startswith(("pydantic", "fastapi", "starlette"))])
"""
    assert run(program) == "[]"
