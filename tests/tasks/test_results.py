from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import Call, data, reply
from support.pickles import repickled

from triverse import Asset, InvalidResponseError, Quote, Task, TaskQueue, api
from triverse.core.attempt import Reply
from triverse.core.secret import Secret

UUID_TEXT = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
TASK: Mapping[str, object] = {
    "task_uuid": UUID_TEXT,
    "flow_name": "image-to-model",
    "status": "RUNNING",
    "progress": 55,
    "created_at": "2026-06-01T08:15:30.123456Z",
    "started_at": "2026-06-01T08:15:44Z",
    "completed_at": None,
    "input": {"image_url": "https://files.example/input.png", "sizes": [1, {"of": [2]}]},
    "output": None,
    "error": None,
    "queue": {"is_queued": False, "position": None, "estimated_wait_seconds": 3},
}
CREATED: Mapping[str, object] = {
    "task_uuid": UUID_TEXT,
    "flow_name": "text-to-model",
    "status": "QUEUED",
    "created_at": "2026-06-01T08:15:30Z",
    "cost_credits": 42,
    "queue": None,
    "read_after_write_deadline_seconds": 5,
    "read_after_write_header": "X-Read-After",
}


def decoded(fields: Mapping[str, object]) -> Task:
    return Call(api.tasks.get(UUID_TEXT)).response(data(fields)).data


def test_a_status_has_the_documented_fields() -> None:
    task = decoded(TASK)
    assert task.task_uuid == UUID(UUID_TEXT)
    assert (task.status, task.flow_name, task.progress) == ("RUNNING", "image-to-model", 55)
    assert task.created_at == datetime(2026, 6, 1, 8, 15, 30, 123456, UTC)
    assert task.input == TASK["input"]
    assert task.queue == TaskQueue(is_queued=False, position=None, estimated_wait_seconds=3)
    assert (task.output, task.error, task.reason, task.cost_credits, task.client_order_id) == (None,) * 5
    assert not task.extra


def test_a_creation_has_the_id_that_was_sent() -> None:
    call = Call(api.tasks.text_to_model("a brass helmet", client_order_id="helmet-1"))
    response = call.response(data(CREATED))
    task = response.data
    assert (response.client_order_id, task.client_order_id) == ("helmet-1", "helmet-1")
    assert (task.cost_credits, task.read_after_write_deadline_seconds) == (42, 5)
    assert task.read_after_write_header == "X-Read-After"
    assert task.is_new
    assert not decoded(CREATED).is_new


WRONG = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.floats()),
)


@given(fields=st.dictionaries(st.sampled_from([*TASK, *CREATED, "client_order_id", "new_field", "self"]), WRONG))
def test_no_wrong_optional_field_loses_a_paid_task(fields: dict[str, object]) -> None:
    fields = {name: fields[name] for name in fields if name not in {"task_uuid", "status"}}
    call = Call(api.tasks.text_to_model("a brass helmet"))
    task = call.response(
        reply(body=json.dumps({"code": 0, "message": "", "data": {**CREATED, **fields}}).encode())
    ).data
    assert str(task.task_uuid) == UUID_TEXT
    for name, value in fields.items():
        if getattr(task, name, None) is None and value is not None:
            assert repr(task.extra[name]) == repr(value)
    assert repickled(task) == task
    assert hash(task) == hash(copy.deepcopy(task))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("flow_name", 5, "expected a string, got the number 5"),
        ("created_at", 1780000000, "expected a string, got the number 1780000000"),
        ("started_at", "yesterday", "expected a time such as 2026-05-27T12:39:48Z, got a string"),
        ("completed_at", "0001-01-01T00:00:00+14:00", "expected a time such as 2026-05-27T12:39:48Z, got a string"),
        ("progress", "55", "expected a number, got a string"),
        ("progress", 101, "expected a number from 0 to 100, got the number 101"),
        ("cost_credits", True, "expected a number, got true"),
        ("input", [], "expected an object, got an array"),
        ("output", "x", "expected an object, got a string"),
        ("error", 5003, "expected an object or a string, got the number 5003"),
        ("queue", "front", "expected an object, got a string"),
        ("read_after_write_deadline_seconds", "5", "expected a number, got a string"),
        ("read_after_write_header", {}, "expected a string, got an object"),
    ],
)
def test_a_field_of_the_wrong_type_is_none_and_one_warning_names_it(
    caplog: pytest.LogCaptureFixture, name: str, value: object, problem: str
) -> None:
    task = decoded({**TASK, name: value})
    assert getattr(task, name) is None
    assert task.extra == {name: value}
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("triverse", logging.WARNING)
    text = f"Task {UUID_TEXT}: the field {name} has an unexpected value ({problem}). It is None here, and the value is"
    assert record.getMessage().startswith(text)


def test_a_wrong_field_of_the_queue_costs_only_that_field(caplog: pytest.LogCaptureFixture) -> None:
    task = decoded({**TASK, "queue": {"is_queued": True, "position": "3", "lane": "fast"}})
    assert task.queue == TaskQueue(is_queued=True)
    assert task.queue is not None
    assert task.queue.extra == {"position": "3", "lane": "fast"}
    assert "the field queue.position has" in caplog.text


def test_a_queue_can_be_decoded_alone() -> None:
    request = api.tasks.get(UUID_TEXT)
    assert TaskQueue.structure({"position": "3"}) == TaskQueue()
    assert request.into is Task


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"status": "QUEUED"}, "data.task_uuid"),
        ({"task_uuid": UUID_TEXT}, "data.status"),
        ({"task_uuid": UUID_TEXT, "status": None}, "data.status"),
        ({"task_uuid": UUID_TEXT, "status": 3}, "data.status"),
        ({"task_uuid": "7d0f", "status": "QUEUED"}, "data.task_uuid"),
        ({"taskId": UUID_TEXT, "status": "QUEUED"}, "data.task_uuid"),
        ([], "data"),
    ],
)
def test_the_id_and_the_status_are_strict(fields: object, path: str) -> None:
    for request in (api.tasks.get(UUID_TEXT), api.tasks.get(decoded(TASK)), api.tasks.text_to_model("a helmet")):
        error = Call(request).error(data(fields))
        assert isinstance(error, InvalidResponseError)
        assert error.path == path


@pytest.mark.parametrize(
    "answer",
    [
        data({"task_uuid": UUID_TEXT}),
        reply(answer={"task_uuid": UUID_TEXT, "status": "QUEUED"}),
        reply(body=f'{{"code": 0, "data": {{"task_uuid": "{UUID_TEXT}", "sta'.encode()),
    ],
)
def test_the_id_of_a_paid_task_is_found_even_if_the_response_cannot_be_read(answer: Reply) -> None:
    error = Call(api.tasks.text_to_model("a helmet")).error(answer)
    assert isinstance(error, InvalidResponseError)
    assert str(error.task_uuid) == UUID_TEXT
    assert error.task_may_exist


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [{"in": value}]
    return value


@pytest.mark.parametrize("name", ["output", "new_field"])
def test_a_field_that_is_nested_very_deep_is_left_out(caplog: pytest.LogCaptureFixture, name: str) -> None:
    task = decoded({**TASK, name: {"in": deep(150)}})
    assert task.output is None
    assert name not in task.extra
    assert "nested more than 100 levels deep" in caplog.text
    repickled(task)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-05-27T12:39:48Z", datetime(2026, 5, 27, 12, 39, 48, tzinfo=UTC)),
        ("2026-05-27T12:39:48", datetime(2026, 5, 27, 12, 39, 48, tzinfo=UTC)),
        ("2026-05-27T14:39:48.5+02:00", datetime(2026, 5, 27, 12, 39, 48, 500000, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc(text: str, time: datetime) -> None:
    created_at = decoded({**TASK, "created_at": text}).created_at
    assert created_at == time
    assert created_at is not None
    assert created_at.utcoffset() == timedelta(0)


def test_mappings_are_read_only_at_every_level_and_part_of_equality() -> None:
    task = decoded(TASK)
    given_input = cast("dict[str, dict[str, object]]", task.input)
    with pytest.raises(TypeError):
        given_input["more"] = {}
    with pytest.raises(TypeError):
        cast("list[object]", given_input["sizes"]).append(3)
    other = decoded({**TASK, "input": {}})
    assert task != other
    assert hash(task) == hash(other)
    made = Task(task_uuid=UUID(UUID_TEXT), status="FAILED", error={"message": "No."}, output={"a": [1]})
    with pytest.raises(TypeError):
        cast("dict[str, object]", made.error)["message"] = "Yes."
    assert made.output == {"a": [1]}


@pytest.mark.parametrize(
    ("status", "completed_at", "finished"),
    [
        ("PENDING", None, False),
        ("QUEUED", None, False),
        ("RUNNING", "2026-06-01T08:15:44Z", False),
        ("SUCCESS", None, True),
        ("FAILED", None, True),
        ("CANCELLED", None, True),
        ("PREPARING", None, False),
        ("EXPIRED", "2026-06-01T08:15:44Z", True),
    ],
)
def test_a_task_has_finished_by_its_status_or_its_end(status: str, completed_at: str | None, *, finished: bool) -> None:
    task = decoded({**TASK, "status": status, "completed_at": completed_at})
    assert task.finished is finished
    assert task.succeeded is (status == "SUCCESS")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("Out of memory", "Out of memory"),
        ({}, None),
        ({"code": 5003, "message": "Mesh is empty."}, "Mesh is empty."),
        ({"message": " ", "detail": "No mesh"}, "No mesh"),
        ({"code": 5003}, '{"code": 5003}'),
    ],
)
def test_the_reason_is_the_text_of_the_error(error: object, reason: str | None) -> None:
    assert decoded({**TASK, "status": "FAILED", "error": error}).reason == reason


def test_results_convert_to_json_and_survive_pickling_and_copying() -> None:
    task = decoded({**TASK, "new_field": [1]})
    assert json.loads(task.to_json()) | {"new_field": [1]} == task.to_dict()
    assert task.to_dict()["created_at"] == "2026-06-01T08:15:30.123456Z"
    assert task.to_dict()["task_uuid"] == UUID_TEXT
    for same in (repickled(task), copy.copy(task), copy.deepcopy(task)):
        assert (same, same.extra) == (task, task.extra)


def test_a_new_task_stays_new_when_it_is_sent_to_another_process() -> None:
    task = Call(api.tasks.text_to_model("a brass helmet")).response(data(CREATED)).data
    assert repickled(task).is_new
    assert "is_new" not in task.to_json()


@pytest.mark.parametrize(("available", "affordable"), [(60, True), (59.5, False), (880, True)])
def test_a_quote_is_affordable_if_the_available_credits_cover_it(available: float, *, affordable: bool) -> None:
    fields = {
        "flow_name": "image-to-model",
        "params": {"texture_size": 2048},
        "cost_credits": 60,
        "available_credits": available,
        "currency": "credits",
    }
    quote = Call(api.tasks.quote("image-to-model")).response(data(fields)).data
    assert quote == Quote("image-to-model", {"texture_size": 2048}, 60.0, available)
    assert quote.affordable is affordable
    assert quote.extra == {"currency": "credits"}
    assert hash(repickled(quote)) == hash(quote)
    with pytest.raises(TypeError):
        cast("dict[str, object]", quote.params)["turbo"] = True


@pytest.mark.parametrize("missing", ["flow_name", "params", "cost_credits", "available_credits"])
def test_a_quote_is_strict(missing: str) -> None:
    fields: dict[str, object] = {"flow_name": "x", "params": {}, "cost_credits": 1, "available_credits": 1}
    del fields[missing]
    error = Call(api.tasks.quote("image-to-model")).error(data(fields))
    assert isinstance(error, InvalidResponseError)
    assert error.path == f"data.{missing}"


def test_the_repr_of_an_asset_hides_the_query_of_its_urls() -> None:
    fields = {
        "download_url": "https://files.example/helmet.glb?sig=abc",
        "preview_url": "https://files.example/helmet.png",
        "asset_id": UUID_TEXT,
        "kind": "model",
    }
    asset = Call(api.tasks.asset(UUID_TEXT)).response(data(fields)).data
    assert asset == Asset(str(fields["download_url"]), fields["preview_url"], UUID(UUID_TEXT), "model")
    assert "abc" not in repr(asset)
    assert "'https://files.example/helmet.glb?…'" in repr(asset)
    assert "'https://files.example/helmet.png'" in repr(asset)
    assert "preview_url=None" in repr(Asset("https://files.example/helmet.glb"))


def test_a_key_that_the_service_echoes_is_not_shown_by_a_task() -> None:
    key = Secret("tv-key-for-tests-0123456789")
    fields = {
        **TASK,
        "status": f"FAILED {key.reveal()}",
        "error": {"message": f"bad key {key.reveal()}", "trace": [{key.reveal(): key.reveal()}]},
        "new_field": key.reveal(),
    }
    task = Call(api.tasks.get(UUID_TEXT)).response(evolve(data(fields), key=key)).data
    assert key.reveal() not in f"{task!r} {task.reason} {task.to_json()}"
    assert task.reason == "bad key [redacted]"


def test_a_task_with_values_that_json_lacks_still_converts_to_json() -> None:
    odd = '"progress": NaN, "more": [1e999, {"x": -Infinity}], "flow_name": "\\ud800", "cost_credits": 1' + "0" * 400
    body = f'{{"code": 0, "data": {{"task_uuid": "{UUID_TEXT}", "status": "QUEUED", {odd}}}}}'.encode()
    task = Call(api.tasks.get(UUID_TEXT)).response(reply(body=body)).data
    assert task.to_dict()["more"] == [None, {"x": None}]
    assert json.loads(task.to_json())["flow_name"] == "?"
