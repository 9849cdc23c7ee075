"""Invalid faults are refused, and faults happen to the requests that match; `match` functions may use the sandbox."""

from __future__ import annotations

import json
import logging
import math
import threading
from typing import Any

import httpx
import pytest
from support.sandbox_api import Api

from triverse import ConfigurationError, ServerError
from triverse.sandbox import Delivery, Fault, Sandbox, SandboxRequest
from triverse.sandbox.mock_transport import Transport


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Fault(), "changes nothing"),
        (Fault(message="No."), "status or code"),
        (Fault(suggestion="Ask."), "status or code"),
        (Fault(status=400, body="x", message="No."), "body replaces"),
        (Fault(body="x", alter=lambda response: response), "body replaces"),
        (Fault(status=500, content_type="text/html"), "content_type"),
        (Fault(status=500, alter=lambda response: response), "alter"),
        (Fault(latency=1, pause=1), "TRICKLED"),
        (Fault(latency=math.inf, status=500), "no response arrives"),
        (Fault(delivery=Delivery.RESET, body="x"), "no response arrives"),
        (Fault(delivery=Delivery.REFUSED, headers={"A": "b"}), "no response arrives"),
        (Fault(status=199), "200 to 599"),
        (Fault(status=True), "200 to 599"),
        (Fault(status="500"), "200 to 599"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong on purpose
        (Fault(code=9999), "no code 9999"),
        (Fault(latency=-1), "latency"),
        (Fault(latency=math.nan), "latency"),
        (Fault(latency="1"), "latency"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong on purpose
        (Fault(delivery=Delivery.TRICKLED, pause=math.inf), "silent"),
        (Fault.truncated(1.5), "share"),
        (Fault.truncated(-1), "after"),
        (Fault(headers={"no spaces": "x"}), "header"),
        (Fault(headers={"A": "x\r\nB: y"}), "header"),
        (Fault(headers={"A": "☃"}), "header"),
        (Fault(headers={"A": 3}), "header"),  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]  # wrong on purpose
        (Fault(status=429, retry_after="1\n2"), "header"),
    ],
    ids=range(26),
)
def test_a_fault_that_cannot_happen_is_refused(fault: Fault, problem: str) -> None:
    sandbox = Sandbox()
    with pytest.raises(ConfigurationError, match=problem):
        sandbox.faults.add(fault)
    assert sandbox.faults.planned == ()


@pytest.mark.parametrize("times", [0, -1, 1.5, True, "2"])
def test_a_number_of_times_that_is_none_is_refused(times: Any) -> None:
    with pytest.raises(ConfigurationError, match="times"):
        Sandbox().faults.add(Fault(status=500), times=times)


def test_a_value_that_is_no_fault_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Fault"):
        Sandbox().faults.add(503)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong on purpose


async def later(_request: SandboxRequest) -> bool:
    return True


@pytest.mark.parametrize(
    "match",
    ["users/me", "/users/me?a=1", "https://api.triverse.ai/users/me", "get /users/me", "", 7, later],
    ids=range(7),
)
def test_a_match_that_no_request_can_have_is_refused(match: Any) -> None:
    with pytest.raises(ConfigurationError, match="match"):
        Sandbox().faults.add(Fault(status=500), match=match)


EVERY = [
    "GET /users/me",
    "POST /tasks/text-to-model",
    "GET /tasks/11111111-2222-4333-8444-555555555555",
    "GET /storage/tasks/a/b.glb",
]


@pytest.mark.parametrize(
    ("match", "met"),
    [
        ("/users/me", ["GET /users/me"]),
        ("/api/v1/users/me", ["GET /users/me"]),
        ("GET /users/me", ["GET /users/me"]),
        ("POST /users/me", []),
        ("/tasks/text-to-model", ["POST /tasks/text-to-model"]),
        ("/tasks/{flow_name}", ["POST /tasks/text-to-model"]),
        ("/tasks/{task_uuid}", ["GET /tasks/11111111-2222-4333-8444-555555555555"]),
        ("/{any}/me", ["GET /users/me"]),
        ("/storage/{file_key}", ["GET /storage/tasks/a/b.glb"]),
        (None, EVERY),
    ],
)
def test_a_match_names_paths_routes_and_methods(match: str | None, met: list[str]) -> None:
    sandbox = Sandbox()
    fault = Fault(status=418)
    sandbox.faults.add(fault, match=match)
    for request in EVERY:
        method, _, path = request.partition(" ")
        sandbox.handle(method, f"/api/v1{path}", [])
    assert [f"{call.method} {call.path}" for call in sandbox.requests if call.fault is fault] == met
    assert sandbox.faults.unused == (() if met else (fault,))


def test_an_error_can_come_without_a_suggestion() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=503, suggestion=""))
    assert json.loads(sandbox.handle("GET", "/users/me", []).body).keys() == {"code", "message"}


def test_faults_that_no_request_has_met_are_listed() -> None:
    sandbox = Sandbox()
    first, second = Fault(status=500), Fault(status=503)
    sandbox.faults.add(first, times=1)
    sandbox.faults.add(second)
    sandbox.handle("GET", "/users/me", [])
    assert (sandbox.faults.planned, sandbox.faults.unused) == ((second,), (second,))
    sandbox.faults.clear()
    assert sandbox.faults.unused == ()


def test_a_match_function_may_clear_and_add_faults() -> None:
    sandbox = Sandbox()

    def once(_request: SandboxRequest) -> bool:
        sandbox.faults.clear()
        sandbox.faults.add(Fault(status=429), times=1)
        return True

    sandbox.faults.add(Fault(status=503), match=once)
    assert [sandbox.handle("GET", "/users/me", []).status for _ in range(3)] == [503, 429, 401]


@pytest.mark.parametrize("way", ["in process", "served"])
def test_a_match_function_may_send_requests_to_the_sandbox(way: str) -> None:
    sandbox = Sandbox()
    asked: list[int] = []

    with sandbox.serve() as served, httpx.Client(transport=Transport(sandbox)) as inside, httpx.Client() as outside:
        url, http = (served, outside) if way == "served" else ("http://127.0.0.1/api/v1", inside)

        def asks(request: SandboxRequest) -> bool:
            if "x-inner" not in request.headers:
                asked.append(http.get(f"{url}/users/me", headers={"X-Inner": "1"}).status_code)
            return "x-inner" not in request.headers

        sandbox.faults.add(Fault(status=503), match=asks)
        assert http.get(f"{url}/users/me", timeout=20).status_code == 503
    assert asked == [401]


def test_a_match_function_is_not_called_for_its_own_requests() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=503), match=lambda _: sandbox.handle("GET", "/users/me", []).status == 401)
    assert sandbox.handle("GET", "/users/balance", []).status == 503


@pytest.mark.parametrize("way", ["in process", "served"])
def test_a_match_function_that_fails_is_reported(way: str, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=503), match=lambda request: request.headers["x-tenant"] == "ada")
    with caplog.at_level(logging.ERROR), sandbox.serve() as url:
        if way == "served":
            response = httpx.get(f"{url}/users/me")
        else:
            response = httpx.Client(transport=Transport(sandbox)).get("http://127.0.0.1/api/v1/users/me")
    assert (response.status_code, response.json()["code"]) == (501, 501)
    assert "KeyError: 'x-tenant'" in response.json()["message"]
    assert [type(error) for error in sandbox.faults.errors] == [KeyError]
    assert [call.status for call in sandbox.requests] == [501]
    assert "KeyError" in caplog.text


def test_a_match_function_that_fails_is_not_hidden_by_retries() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=503), match=lambda _: 1 / 0 > 0)
    with sandbox.client() as client, pytest.raises(ServerError, match="ZeroDivisionError"):
        client.users.balance()
    assert len(sandbox.requests) == 1


def test_a_fault_happens_as_often_as_planned_under_many_threads() -> None:
    api = Api()
    fault = Fault(status=503)
    api.sandbox.faults.add(fault, times=10, match=lambda _: True)
    threads = [threading.Thread(target=api.http.get, args=("/users/me",)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call.fault for call in api.sandbox.requests].count(fault) == 10


def test_a_fault_that_another_request_has_used_up_is_not_met() -> None:
    sandbox = Sandbox()

    def uses_it_up(request: SandboxRequest) -> bool:
        if "x-first" not in request.headers:
            thread = threading.Thread(target=sandbox.handle, args=("GET", "/users/me", [("X-First", "1")]))
            thread.start()
            thread.join()
        return True

    sandbox.faults.add(Fault(status=503), times=1, match=uses_it_up)
    assert sandbox.handle("GET", "/users/me", []).status == 401
    assert [call.status for call in sandbox.requests] == [503, 401]
