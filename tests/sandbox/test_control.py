"""Control of a sandbox by HTTP, for example from another shell."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.sandbox_api import Api

from triverse.sandbox import Sandbox

ROOT = "http://127.0.0.1"


def control(api: Api, method: str, path: str, **options: Any) -> tuple[int, Any]:
    response = api.anonymous.request(method, f"{ROOT}{path}", **options)
    return response.status_code, response.json()


def test_the_root_describes_the_sandbox_and_its_commands() -> None:
    with Sandbox().serve() as url:
        root = url.removesuffix("/api/v1")
        page = httpx.get(f"{root}/")
        assert page.headers["Content-Type"].startswith("text/plain")
        assert "sandbox of triverse" in page.text
        assert url in page.text
        assert httpx.get(f"{url}/").text == page.text
        assert httpx.post(f"{root}/").headers["Allow"] == "GET"


def test_every_command_of_the_root_works() -> None:
    with Sandbox(task_seconds=None).serve() as url, httpx.Client() as http:
        root = url.removesuffix("/api/v1")
        commands = [line.partition("curl ")[2] for line in http.get(f"{root}/").text.splitlines() if "curl " in line]
        http.post(f"{root}/sandbox/top-up?credits=500")
        key = http.get(f"{root}/sandbox").json()["accounts"][0]["key"]
        headers = {"Authorization": f"Bearer {key}"}
        response = http.post(f"{url}/tasks/text-to-model", json={"prompt": "a red chair"}, headers=headers)
        task_uuid = response.json()["data"]["task_uuid"]
        for command in commands:
            words = command.replace("'", "").replace("TASK_UUID", task_uuid).split()
            method = words[1] if words[0] == "-X" else "GET"
            assert http.request(method, words[-1]).status_code == 200, command
    assert len(commands) == 9


def test_credits_are_bought_frozen_and_released() -> None:
    api = Api(api_credits=100)
    assert control(api, "POST", "/sandbox/top-up?credits=50")[1]["balance"] == 150
    assert control(api, "POST", "/api/v1/sandbox/freeze", json={"credits": 20})[1]["frozen"] == 20
    api.account.freeze(5).succeed()
    status, account = control(api, "POST", "/sandbox/release")
    assert (status, account["balance"], account["frozen"], account["spent"]) == (200, 145, 0, 5)
    assert (account["email"], account["key"]) == (api.account.email, api.account.key)


def test_the_account_is_named_or_has_the_key_or_is_the_first() -> None:
    api = Api(api_credits=0)
    other = api.sandbox.add_account(email="ada@example.com")
    control(api, "POST", "/sandbox/top-up?credits=1")
    control(api, "POST", "/sandbox/top-up?credits=2&account=ada@example.com")
    control(api, "POST", "/sandbox/top-up?credits=4", headers={"Authorization": f"Bearer {other.key}"})
    assert (api.account.balance.balance, other.balance.balance) == (1, 6)
    assert control(api, "POST", "/sandbox/top-up?credits=1&account=unknown")[0] == 404
    assert Sandbox().handle("POST", "/sandbox/top-up?credits=1", []).status == 200


def test_faults_are_planned_and_cleared() -> None:
    api = Api()
    assert control(api, "POST", "/sandbox/faults?status=503&times=2&match=/users/me")[1] == ["Fault(status=503)"]
    assert control(api, "POST", "/sandbox/faults", json={"fault": "html", "status": 200})[0] == 200
    assert [api.http.get("/users/me").status_code for _ in range(3)] == [503, 503, 200]
    assert api.http.get("/users/me").headers["Content-Type"] == "text/html"
    assert control(api, "DELETE", "/sandbox/faults") == (200, [])
    assert api.get("/users/me")[1]["email"] == api.account.email


def test_a_task_is_moved() -> None:
    api = Api(task_seconds=None)
    first, second, third = (api.create(f"number {number}") for number in range(3))
    assert control(api, "POST", f"/sandbox/tasks/{first.uuid}/advance")[1]["status"] == "QUEUED"
    for task, move, status in (
        (first, "succeed", "SUCCESS"),
        (second, "fail", "FAILED"),
        (third, "cancel", "CANCELLED"),
    ):
        assert control(api, "POST", f"/sandbox/tasks/{task.uuid}/{move}")[1]["status"] == status
    assert control(api, "POST", f"/sandbox/tasks/{first.uuid}/cancel")[1]["code"] == 2005
    assert control(api, "POST", f"/sandbox/tasks/{first.uuid}/paint")[0] == 400
    assert control(api, "POST", "/sandbox/tasks/none/cancel")[1]["code"] == 1006


def test_settings_are_changed() -> None:
    api = Api()
    status, state = control(api, "POST", "/sandbox/settings?task_seconds=5&known_id=conflict")
    assert (status, state["task_seconds"]) == (200, 5)
    assert control(api, "POST", "/sandbox/settings?workers=2")[0] == 200
    assert (api.sandbox.settings.known_id, api.sandbox.settings.workers) == ("conflict", 2)
    assert control(api, "POST", "/sandbox/settings?known_id=perhaps")[0] == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/top-up", {}),
        ("/sandbox/top-up", {"credits": -1}),
        ("/sandbox/top-up", {"credits": 1, "amount": 2}),
        ("/sandbox/top-up", [1]),
        ("/sandbox/faults", {"status": 7}),
        ("/sandbox/faults", {"colour": "red"}),
        ("/sandbox/faults", {"fault": "earthquake"}),
        ("/sandbox/settings", {"colour": "red"}),
    ],
)
def test_invalid_values_are_refused(path: str, body: object) -> None:
    status, error = control(Api(), "POST", path, json=body)
    assert (status, error["code"]) == (400, 1004)
    assert error["message"]


def test_other_addresses_and_methods_are_refused() -> None:
    api = Api()
    assert control(api, "GET", "/sandbox/nothing")[0] == 404
    assert control(api, "GET", "/sandbox/faults")[0] == 405
    assert control(api, "POST", "/sandbox/freeze?credits=5000")[1]["code"] == 2010


def test_control_requests_have_no_faults_and_are_not_logged() -> None:
    api = Api()
    control(api, "POST", "/sandbox/faults?fault=reset")
    assert control(api, "GET", "/sandbox")[1]["faults"] == [
        "Fault(delivery=<Delivery.RESET: 'reset'>, processed=False)"
    ]
    assert api.anonymous.get(f"{ROOT}/openapi.json").status_code == 200
    assert api.sandbox.requests == ()
