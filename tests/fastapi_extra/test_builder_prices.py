"""`credits_required` with a builder of `triverse.api.tasks`, which FastAPI cannot use as a dependency itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import pytest
from fastapi import Depends, FastAPI
from fastapi.params import Depends as Dependency
from fastapi.testclient import TestClient
from pydantic import BaseModel

from triverse import ConfigurationError, Request, Task
from triverse.api import tasks
from triverse.fastapi import TriverseDep, credits_required, get_triverse, install_error_handlers
from triverse.sandbox import Account, Sandbox

Source = Callable[..., Request[Task]]

BUILDERS: list[Source] = [
    tasks.text_to_model, tasks.text_to_mesh, tasks.image_to_model, tasks.image_to_mesh, tasks.texture_model,
    tasks.model_preview_render,
]  # fmt: skip


class Order(BaseModel):
    """The body of a request for a model."""

    prompt: str


def application(source: Source, *, api_credits: float) -> tuple[FastAPI, Account]:
    """Return an application whose route `/models` creates a task if the credits cover the price."""
    sandbox = Sandbox(task_seconds=0)
    account = sandbox.add_account(api_credits=api_credits)
    client = sandbox.async_client(account)
    app = FastAPI()
    app.dependency_overrides[get_triverse] = lambda: client
    install_error_handlers(app)

    @app.post("/models", dependencies=[cast("Dependency", Depends(credits_required(source)))])
    async def create(order: Order, client: TriverseDep) -> Task:
        return await client.execute(tasks.text_to_model(order.prompt))

    return app, account


def of_size(size: int) -> Request[Task]:
    return tasks.text_to_model("a helmet", texture_size=size)


def cost(source: Source, query: str = "") -> object:
    """Return the price in the response to a caller without credits."""
    app, _ = application(source, api_credits=0)
    response = TestClient(app).post(f"/models{query}", json={"prompt": "a brass helmet"})
    assert response.status_code == 402
    return response.json()["cost"]


@pytest.mark.parametrize("builder", BUILDERS)
def test_every_builder_has_a_price(builder: Source) -> None:
    assert cost(builder)


def test_a_caller_who_can_pay_gets_the_task() -> None:
    app, account = application(tasks.text_to_model, api_credits=100)
    response = TestClient(app).post("/models", json={"prompt": "a brass helmet"})
    assert response.status_code == 200
    assert [str(task.uuid) for task in account.tasks] == [response.json()["task_uuid"]]


@pytest.mark.parametrize(
    ("source", "query", "expected"),
    [
        (tasks.text_to_model, "", 100),
        (tasks.text_to_model, "?texture_size=2048", 120),
        (tasks.text_to_model, "?texture_size=2048&turbo=true", 100),
        (tasks.model_preview_render, "?image_count=5&camera_angles=top&camera_angles=left", 20),
        (partial(tasks.text_to_model, texture_size=2048), "?texture_size=1024", 120),
        (partial(tasks.create, "text-to-mesh", {"prompt": "a helmet"}), "", 60),
        (lambda: tasks.text_to_model("a helmet", turbo=True), "", 80),
        (of_size, "?size=2048", 120),
    ],
)
def test_the_query_decides_the_price(source: Source, query: str, expected: float) -> None:
    assert cost(source, query) == expected


@pytest.mark.parametrize("query", ["?texture_size=1", "?texture_size=large"])
def test_a_parameter_that_is_refused_is_status_422(query: str) -> None:
    app, account = application(tasks.text_to_model, api_credits=1000)
    response = TestClient(app).post(f"/models{query}", json={"prompt": "a brass helmet"})
    assert response.status_code == 422
    assert "texture_size" in response.text
    assert not account.tasks


def test_the_openapi_has_the_parameters_that_change_the_price() -> None:
    app, _ = application(tasks.model_preview_render, api_credits=0)
    parameters = app.openapi()["paths"]["/models"]["post"]["parameters"]
    found = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert {parameter["in"] for parameter in parameters} == {"query"}
    assert not any(parameter.get("required") for parameter in parameters)
    assert found["image_count"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    assert found["camera_angles"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    assert found.keys().isdisjoint({"model", "extra", "client_order_id", "allow_duplicate"})


@pytest.mark.parametrize(
    ("builder", "missing"),
    [(tasks.create, "flow_name"), (tasks.get, "task"), (tasks.quote, "flow"), (partial(tasks.create, "a"), "params")],
)
def test_a_builder_without_a_price_of_its_own_is_refused(builder: Source, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has no price without {missing}"):
        credits_required(builder)
