"""A sandbox that is served in one shell and controlled from another."""

from __future__ import annotations

import json
import signal
from collections.abc import Generator

import pytest
from support.server import Received, answer, serving
from support.shell import start

from triverse import ServerError, Triverse
from triverse.cli import main
from triverse.sandbox import Account, Sandbox


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Generator[Account]:
    """The second of two accounts of a served sandbox, with the variables that it exports in the environment."""
    sandbox = Sandbox()
    sandbox.add_account(email="first@example.com", api_credits=100)
    second = sandbox.add_account(email="second@example.com", api_credits=100)
    with sandbox.serve() as url:
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        monkeypatch.setenv("TRIVERSE_API_KEY", second.key)
        yield second


def test_credits_are_topped_up_frozen_and_released(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "top-up", "50"]) == 0
    assert main(["sandbox", "freeze", "20"]) == 0
    assert (account.balance.balance, account.balance.frozen) == (130, 20)
    assert capsys.readouterr().out.endswith("email      second@example.com\navailable  130\nfrozen     20\n")
    assert main(["sandbox", "release"]) == 0
    assert account.balance.balance == 150


@pytest.mark.usefixtures("account")
def test_another_account_is_named_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "top-up", "1.5", "--account", "first@example.com"]) == 0
    assert "email      first@example.com\navailable  101.5\n" in capsys.readouterr().out
    assert main(["sandbox", "top-up", "1", "--account", "unknown@example.com"]) == 1
    assert "the sandbox refused it: There is no account" in capsys.readouterr().err


def test_requests_are_broken_and_repaired(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "break", "503", "--times", "1", "--path", "/users/me"]) == 0
    assert main(["sandbox", "break", "reset", "--path", "/users/me"]) == 0
    assert "503" in capsys.readouterr().out
    with Triverse(max_retries=0) as client:
        with pytest.raises(ServerError):
            client.users.me()
        assert main(["sandbox", "repair"]) == 0
        assert client.users.me().email == account.email


@pytest.mark.usefixtures("account")
def test_repair_names_the_faults_that_no_request_has_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "break", "503", "--path", "/users/unused"]) == 0
    capsys.readouterr()
    assert main(["sandbox", "repair"]) == 0
    assert capsys.readouterr().out == "no request has met Fault(status=503)\nno faults\n"


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("fault", ["earthquake", "99"])
def test_a_fault_that_does_not_exist_is_refused(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "break", fault]) == 1
    assert capsys.readouterr().err.startswith("triverse: the sandbox refused it: ")


@pytest.mark.parametrize("url", ["https://api.triverse.ai/api/v1", "http://api.triverse.ai"])
def test_the_service_itself_is_never_controlled(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", url)
    assert main(["sandbox", "top-up", "50"]) == 2
    assert "TRIVERSE_BASE_URL is not that of a sandbox" in capsys.readouterr().err


def test_a_sandbox_that_is_not_there_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://127.0.0.1:9/api/v1")
    assert main(["sandbox", "repair"]) == 4
    assert "no sandbox answers at http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (404, b"<html>")])
def test_another_server_is_not_taken_for_a_sandbox(
    status: int, body: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _: answer(body, status)) as server:
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        assert main(["sandbox", "repair"]) == 1
    assert "is not a sandbox" in capsys.readouterr().err


def test_without_a_base_url_the_key_of_the_environment_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    received = list[Received]()

    def respond(request: Received) -> bytes:
        received.append(request)
        return answer({"code": 0, "message": "success", "data": []})

    with serving(respond) as server:
        monkeypatch.setattr("triverse.cli.sandbox_control._DEFAULT", server.origin)
        monkeypatch.setenv("TRIVERSE_API_KEY", "a-real-key-perhaps")
        assert main(["sandbox", "repair"]) == 0
    assert "a-real-key-perhaps" not in repr(received)


@pytest.mark.parametrize(("options", "lines"), [((), 2), (("--quiet",), 0)])
def test_each_request_is_one_line_unless_quiet(options: tuple[str, ...], lines: int) -> None:
    served = start("sandbox", "--port", "0", *options)
    assert served.stdout is not None
    variables = dict[str, str]()
    while "TRIVERSE_BASE_URL" not in variables:
        name, _, value = served.stdout.readline().decode().removeprefix("export ").strip().partition("=")
        variables[name] = value
    with Triverse(variables["TRIVERSE_API_KEY"], base_url=variables["TRIVERSE_BASE_URL"]) as client:
        client.users.me()
        client.users.balance()
    served.send_signal(signal.SIGINT)
    log = served.communicate(timeout=120)[1].decode().splitlines()
    assert [line.partition("  ")[2] for line in log] == ["GET    /users/me  200", "GET    /users/balance  200"][:lines]


def test_a_response_without_an_account_is_not_that_of_a_sandbox(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _: answer({"code": 0, "message": "success", "data": {}})) as server:
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        assert main(["sandbox", "top-up", "5"]) == 1
    assert "the response describes no account" in capsys.readouterr().err


def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox()
    account = {"email": sandbox.demo.email, "balance": 1200.0, "frozen": 0.0}
    faults = ["Fault(status=503)"]
    with sandbox.serve() as url:
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        monkeypatch.setenv("TRIVERSE_API_KEY", sandbox.demo.key)
        steps: list[tuple[str, dict[str, object]]] = [
            ("top-up 50", {**account, "balance": 1250.0}),
            ("freeze 50", {**account, "frozen": 50.0}),
            ("release", {**account, "balance": 1250.0}),
            ("break 503", {"faults": faults}),
            ("repair", {"faults": [], "unused_faults": faults}),
        ]
        for command, expected in steps:
            assert main(["sandbox", *command.split(), "--json"]) == 0
            assert json.loads(capsys.readouterr().out) == expected
