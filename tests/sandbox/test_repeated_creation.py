"""The same creation twice: by its id, and within the duplicate window."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.sandbox_api import Api

from triverse.sandbox import Fault, SandboxSettings

CHAIR = {"prompt": "a red chair"}
ORDER = {**CHAIR, "client_order_id": "order-1"}


def codes_of(api: Api, *bodies: dict[str, Any], flow: str = "text-to-model") -> list[int]:
    """Create with each body; return the code of each error, and 0 for a success."""
    return [content.get("code", 0) for _, content in (api.post(f"/tasks/{flow}", body) for body in bodies)]


@pytest.mark.parametrize(
    ("known_id", "code", "tasks"),
    [("first_task", 0, 1), ("conflict", 2005, 1), ("bad_request", 1004, 1), ("ignored", 0, 2)],
)
def test_the_setting_decides_the_response_to_a_known_id(known_id: str, code: int, tasks: int) -> None:
    api = Api()
    api.settings(known_id=known_id)
    assert codes_of(api, ORDER, ORDER) == [0, code]
    assert len(api.account.tasks) == tasks
    assert api.account.balance.frozen == 100 * tasks


def test_a_known_id_answers_with_the_present_state_of_the_first_task() -> None:
    api = Api()
    _, first = api.post("/tasks/text-to-model", ORDER)
    api.account.tasks[0].succeed()
    _, again = api.post("/tasks/text-to-model", {**ORDER, "prompt": "something else"})
    assert (again["task_uuid"], again["status"]) == (first["task_uuid"], "SUCCESS")


def test_an_error_about_a_known_id_names_it() -> None:
    api = Api(SandboxSettings(known_id="bad_request"))
    api.post("/tasks/text-to-model", ORDER)
    assert "client_order_id: 'order-1'" in api.post("/tasks/text-to-model", ORDER)[1]["message"]
    api.settings(known_id="conflict")
    assert "'order-1'" in api.post("/tasks/text-to-model", ORDER)[1]["message"]


def test_ids_belong_to_an_account() -> None:
    api = Api()
    api.post("/tasks/text-to-model", ORDER)
    other = api.sandbox.add_account(api_credits=1000)
    response = api.http.post("/tasks/text-to-model", json=ORDER, headers={"Authorization": f"Bearer {other.key}"})
    assert response.status_code == 200
    assert len(other.tasks) == 1


def test_flows_without_a_documented_id_ignore_it_unless_set_otherwise() -> None:
    api = Api()
    assert codes_of(api, ORDER, ORDER, flow="text-to-mesh") == [0, 0]
    api.settings(known_id_flows=frozenset({"text-to-mesh"}))
    other = {**CHAIR, "client_order_id": "order-2"}
    assert codes_of(api, other, other, flow="text-to-mesh") == [0, 0]
    assert len(api.account.tasks) == 3


@pytest.mark.parametrize(("failed_creation", "code"), [("frees_id", 0), ("keeps_id", 2005)])
@pytest.mark.parametrize("way", ["credits", "fault", "queue"])
def test_a_failed_creation_frees_or_keeps_its_id(failed_creation: str, code: int, way: str) -> None:
    api = Api(api_credits=1000)
    api.settings(failed_creation=failed_creation, queue_size=0 if way == "queue" else None)
    if way == "credits":
        api.account.freeze(950)
    if way == "fault":
        api.sandbox.faults.add(Fault(status=503), times=1)
    (failure,) = codes_of(api, ORDER)
    assert failure == {"credits": 2010, "fault": 5003, "queue": 2000}[way]
    api.settings(failed_creation=failed_creation)
    api.account.top_up(1000)
    assert codes_of(api, ORDER) == [code]


def test_the_setting_decides_how_a_kept_id_is_refused() -> None:
    api = Api(SandboxSettings(failed_creation="keeps_id", known_id="bad_request"), api_credits=0)
    assert codes_of(api, ORDER, ORDER) == [2010, 1004]


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.html(), Fault.silent()], ids=["reset", "html", "silent"])
def test_a_request_that_never_reached_the_service_keeps_no_id(fault: Fault) -> None:
    api = Api(SandboxSettings(failed_creation="keeps_id"))
    api.sandbox.faults.add(fault, times=1)
    api.sandbox.handle("POST", "/tasks/text-to-model", [("Authorization", f"Bearer {api.account.key}")], b"{}")
    assert codes_of(api, ORDER) == [0]


def test_other_requests_that_fail_keep_no_id() -> None:
    api = Api(SandboxSettings(failed_creation="keeps_id"))
    api.sandbox.faults.add(Fault(status=503), times=2)
    assert api.http.get("/users/me").status_code == 503
    assert api.http.post("/tasks/text-to-model", content=b"no json").status_code == 503
    assert codes_of(api, ORDER) == [0]


@pytest.mark.parametrize(("duplicate", "code", "tasks"), [("conflict", 2005, 1), ("first_task", 0, 1)])
def test_an_equal_creation_within_the_window_is_a_duplicate(duplicate: str, code: int, tasks: int) -> None:
    api = Api()
    api.settings(duplicate=duplicate)
    assert codes_of(api, CHAIR, CHAIR) == [0, code]
    assert len(api.account.tasks) == tasks
    assert codes_of(api, {"prompt": "a blue chair"}) == [0]
    api.clock.now += 5
    assert codes_of(api, CHAIR) == [0]


def test_allow_duplicate_passes_the_window() -> None:
    api = Api()
    assert codes_of(api, CHAIR, {**CHAIR, "allow_duplicate": True}) == [0, 0]


def test_an_id_passes_the_window_by_default() -> None:
    api = Api()
    assert codes_of(api, CHAIR, ORDER) == [0, 0]
    api.settings(duplicate_window_covers_ids=True)
    assert codes_of(api, {**CHAIR, "client_order_id": "order-2"}) == [2005]


@pytest.mark.parametrize(("passes", "tasks"), [(False, 1), (True, 2)])
def test_allow_duplicate_passes_a_known_id_only_with_its_setting(passes: bool, tasks: int) -> None:  # noqa: FBT001 - a parameter
    api = Api(SandboxSettings(allow_duplicate_passes_id=passes))
    codes_of(api, ORDER, {**ORDER, "allow_duplicate": True})
    assert len(api.account.tasks) == tasks


def test_many_requests_with_one_id_at_once_create_one_task() -> None:
    api = Api()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(codes_of, [api] * 40, [ORDER] * 40))
    assert len(api.account.tasks) == 1
    assert api.account.balance.frozen == 100
