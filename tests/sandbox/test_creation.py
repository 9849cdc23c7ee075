from __future__ import annotations

from typing import Any

import pytest
from support.sandbox_api import GLB, PNG, Api

from triverse.sandbox import Fault, SandboxSettings
from triverse.sandbox.flows import FLOWS

CHAIR = {"prompt": "a red chair"}


def test_a_creation_answers_with_the_documented_payload() -> None:
    api = Api()
    status, data = api.post("/tasks/text-to-model", CHAIR)
    (task,) = api.account.tasks
    assert (status, data) == (
        200,
        {
            "task_uuid": str(task.uuid),
            "flow_name": "text-to-model",
            "status": "PENDING",
            "created_at": "2026-01-01T00:00:00.000000Z",
            "cost_credits": 100,
            "queue": {"is_queued": False, "position": None, "estimated_wait_seconds": None},
        },
    )


@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_status_of_a_creation_is_a_setting(status: int) -> None:
    api = Api(SandboxSettings(creation_status=status))
    assert api.post("/tasks/text-to-model", CHAIR)[0] == status


@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_creates_a_task_at_its_price(flow: str) -> None:
    api = Api()
    image, model = api.account.uploads.add(PNG), api.account.uploads.add(GLB)
    body = {**CHAIR, "image_file": image.file_key, "model_file": model.file_key, "output_format": "obj"}
    status, data = api.post(f"/tasks/{flow}", body)
    assert (status, data["flow_name"]) == (200, flow)
    price = FLOWS[flow].price * (3 if flow == "model-preview-render" else 1)
    assert data["cost_credits"] == api.account.balance.frozen == price


@pytest.mark.parametrize(
    ("flow", "fields", "field"),
    [
        ("text-to-model", {}, "prompt"),
        ("text-to-model", {"prompt": None}, "prompt"),
        ("text-to-model", {"prompt": "ab"}, "prompt"),
        ("text-to-model", {"prompt": 3}, "prompt"),
        ("text-to-model", {**CHAIR, "polygon_limit": 999}, "polygon_limit"),
        ("text-to-model", {**CHAIR, "polygon_limit": 1_500_001}, "polygon_limit"),
        ("text-to-model", {**CHAIR, "texture_size": 1024.5}, "texture_size"),
        ("text-to-model", {**CHAIR, "texture_size": True}, "texture_size"),
        ("text-to-model", {**CHAIR, "turbo": "yes"}, "turbo"),
        ("text-to-model", {**CHAIR, "client_order_id": "no spaces"}, "client_order_id"),
        ("text-to-model", {**CHAIR, "client_order_id": "x" * 65}, "client_order_id"),
        ("image-to-model", {}, "image_file"),
        ("texture-model", {"image_file": "http://a/b"}, "model_file"),
        ("text-to-texture", {"model_file": "http://a/b"}, "text_prompt"),
        ("convert-model-format", {"output_format": "obj"}, "model_file"),
        ("model-preview-render", {"model_file": "http://a/b", "image_count": 11}, "image_count"),
        ("model-preview-render", {"model_file": "http://a/b", "render_mode": "all"}, "render_mode"),
        ("model-preview-render", {"model_file": "http://a/b", "resolution": "big"}, "resolution"),
        ("model-preview-render", {"model_file": "http://a/b", "camera_angles": ["left", 1]}, "camera_angles"),
        ("model-preview-render", {"model_file": "http://a/b", "camera_angles": "left"}, "camera_angles"),
    ],
)
@pytest.mark.parametrize("shape", ["envelope", "fastapi"])
def test_a_field_that_breaks_its_limits_is_named(flow: str, fields: dict[str, Any], field: str, shape: str) -> None:
    api = Api()
    api.settings(validation_errors=shape)
    status, error = api.post(f"/tasks/{flow}", fields)
    if shape == "envelope":
        assert (status, error["code"]) == (400, 1004)
        assert f"body.{field}: " in error["message"]
    else:
        assert (status, error["detail"][0]["loc"]) == (422, ["body", field])
    assert not api.account.tasks


def test_null_and_whole_numbers_with_a_point_are_accepted() -> None:
    api = Api()
    task = api.create(turbo=None, texture_size=2048.0, unknown_field={"a": 1})
    assert (task.params["turbo"], task.params["texture_size"], task.cost) == (False, 2048, 120)
    assert "unknown_field" not in task.params


def test_an_unknown_flow_is_an_unsupported_task() -> None:
    api = Api()
    status, error = api.post("/tasks/text-to-speech", CHAIR)
    assert (status, error["code"]) == (400, 2002)
    assert api.anonymous.post("http://127.0.0.1/api/v1/tasks/text-to-speech", json=CHAIR).status_code == 401


def test_methods_are_checked_by_path() -> None:
    api = Api()
    task = api.create()
    assert api.http.post(f"/tasks/{task.uuid}").headers["Allow"] == "GET"
    assert api.http.get("/tasks/text-to-model").headers["Allow"] == "POST"
    assert api.http.get("/tasks/").status_code == api.http.get("/tasks").status_code == 404


def test_a_body_that_is_no_object_is_refused() -> None:
    api = Api()
    for content in (b"", b"[1]", b"{"):
        response = api.http.post("/tasks/text-to-model", content=content)
        assert (response.status_code, response.json()["code"]) == (400, 1004)


def test_too_few_credits_create_nothing() -> None:
    api = Api(api_credits=99)
    status, error = api.post("/tasks/text-to-model", CHAIR)
    assert (status, error["code"]) == (403, 2010)
    assert (len(api.account.tasks), api.account.balance.balance) == (0, 99)


def test_a_full_queue_refuses_a_creation() -> None:
    api = Api(SandboxSettings(queue_size=2))
    tasks = [api.create("first"), api.create("second")]
    status, error = api.post("/tasks/text-to-model", CHAIR)
    assert (status, error["code"]) == (429, 2000)
    tasks[0].succeed()
    assert api.post("/tasks/text-to-model", CHAIR)[0] == 200


def test_files_of_others_and_of_the_wrong_kind_are_refused() -> None:
    api = Api()
    foreign = api.sandbox.add_account().uploads.add(PNG)
    model = api.account.uploads.add(GLB)
    for key, expected in (
        (foreign.file_key, (404, 1005)),
        ("tasks/none.png", (404, 1005)),
        (model.file_key, (400, 2004)),
    ):
        status, error = api.post("/tasks/image-to-model", {"image_file": key})
        assert (status, error["code"]) == expected
    assert api.post("/tasks/image-to-model", {"image_file": "https://files.example/a.png"})[0] == 200


def test_prompts_can_be_refused_by_moderation() -> None:
    api = Api(SandboxSettings(moderation=lambda content: b"weapon" in content))
    status, error = api.post("/tasks/text-to-model", {"prompt": "a weapon"})
    assert (status, error["code"]) == (400, 2008)
    assert api.post("/tasks/text-to-model", CHAIR)[0] == 200


def test_a_new_task_may_not_be_visible_yet() -> None:
    api = Api(
        SandboxSettings(
            read_after_write_seconds=3,
            read_after_write_deadline_seconds=5,
            read_after_write_header="X-Read-After-Write",
        )
    )
    _, created = api.post("/tasks/text-to-model", CHAIR)
    assert (created["read_after_write_deadline_seconds"], created["read_after_write_header"]) == (
        5,
        "X-Read-After-Write",
    )
    path = f"/tasks/{created['task_uuid']}"
    assert (api.get(path)[0], api.get(path)[1]["code"]) == (404, 1006)
    assert api.get(path, **{"X-Read-After-Write": "anything"})[0] == 200
    api.clock.now += 3
    assert api.get(path)[0] == 200


def test_the_task_of_another_account_is_not_found() -> None:
    api = Api()
    other = api.sandbox.add_account(api_credits=1000)
    task = api.create()
    headers = {"Authorization": f"Bearer {other.key}"}
    assert api.http.get(f"/tasks/{task.uuid}", headers=headers).status_code == 404
    for unknown in ("00000000-0000-4000-8000-000000000000", "no-id"):
        assert api.get(f"/tasks/{unknown}")[1]["code"] == 1006


def test_the_status_shows_the_public_input() -> None:
    api = Api()
    upload = api.account.uploads.add(PNG)
    task = api.create(
        flow="texture-model",
        image_file=upload.file_key,
        model_file="https://files.example/a.glb",
        client_order_id="order-1",
    )
    shown = api.status(task)["input"]
    assert shown.keys() == {"image_url", "model_url", "model_version", "polygon_limit", "texture_size"}
    assert shown["model_url"] == "https://files.example/a.glb"
    assert api.anonymous.get(shown["image_url"]).content == PNG
    assert task.client_order_id == "order-1"


def test_a_fault_before_the_work_creates_no_task_and_one_after_it_does() -> None:
    api = Api()
    for fault, created in (
        (Fault(status=503), 0),
        (Fault(status=503, processed=True), 1),
        (Fault.html(200), 1),
        (Fault.malformed_json(), 2),
    ):
        api.sandbox.faults.add(fault, times=1, match="POST /tasks/{flow_name}")
        api.http.post("/tasks/text-to-model", json={"prompt": f"prompt {created} {fault.status}"})
        assert len(api.account.tasks) == created
