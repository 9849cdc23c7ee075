from __future__ import annotations

import pytest

from triverse import ServiceUnavailableError
from triverse.sandbox import Fault, Sandbox


def test_the_log_has_each_request_and_its_response() -> None:
    sandbox = Sandbox()
    with sandbox.client() as client:
        client.users.me()
        with pytest.raises(Exception, match="not found"):
            client.request("POST", "/nowhere", json={"a": 1})
    (first, second) = sandbox.requests
    assert (first.method, first.path, first.status, first.fault) == ("GET", "/users/me", 200, None)
    assert first.request.headers["accept"] == "application/json"
    assert b"demo@triverse.example" in first.response.body
    assert (second.method, second.path, second.status) == ("POST", "/nowhere", 404)


def test_the_log_has_the_fault_that_a_request_met() -> None:
    sandbox = Sandbox()
    fault = Fault(status=503)
    sandbox.faults.add(fault)
    with sandbox.client() as client, pytest.raises(ServiceUnavailableError):
        client.with_options(max_retries=0).users.me()
    assert sandbox.requests[0].fault is fault


def test_no_key_shows_in_the_log() -> None:
    sandbox = Sandbox()
    account = sandbox.add_account()
    headers = [
        ("Authorization", "Bearer some-wrong-key"),
        ("Cookie", f"key={account.key}"),
        ("X-Twice", "one"),
        ("x-twice", "two"),
    ]
    sandbox.handle("GET", f"/{account.key}/some-wrong-key", headers)
    sandbox.handle("GET", "/users/me", [("Authorization", "some-wrong-key")])
    sandbox.handle(account.key, "/users/me", [(account.key, "")])
    assert account.key not in repr(sandbox.requests)
    assert "some-wrong-key" not in repr(sandbox.requests)
    first, second, third = (handled.request.headers for handled in sandbox.requests)
    assert first == {"authorization": "Bearer [redacted]", "cookie": "key=[redacted]", "x-twice": "one, two"}
    assert second == {"authorization": "[redacted]"}
    assert third == {"[redacted]": ""}


def test_a_request_without_a_key_is_logged_as_it_came() -> None:
    sandbox = Sandbox()
    assert sandbox.handle("GET", "/api/v1/users/me", []).status == 401
    assert sandbox.requests[0].request.headers == {}
    assert sandbox.requests[0].path == "/users/me"
