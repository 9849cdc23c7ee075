"""`--json` of every command: one object on standard output, also for wrong usage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import click
import pytest
from support.shell import run

from triverse.cli import main
from triverse.cli.app import triverse
from triverse.sandbox import Fault, Sandbox
from triverse.sandbox.openapi import document


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command that does something, with its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield (*names, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


COMMANDS = dict(commands(triverse))


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_prints_wrong_usage_as_one_object(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[names].params)
    assert main([*names, "--json", "--no-such-option"]) == 2
    shown = capsys.readouterr()
    (line,) = shown.out.splitlines()
    error = json.loads(line)["error"]
    assert (error["type"], error["exit_status"], shown.err) == ("NoSuchOption", 2, "")
    assert f"Try: triverse {' '.join(names)} --help" in error["message"]


def test_the_description_of_the_api_fits_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(document())


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_a_completion_script_can_be_a_member_of_an_object(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out.removesuffix("\n")
    assert main(["completion", shell, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"shell": shell, "script": script}


def test_a_served_sandbox_describes_itself_and_each_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_server(local: Sandbox, *, ready: Callable[[str], object], **_: object) -> None:
        ready("http://127.0.0.1:8787/api/v1")
        local.faults.add(Fault(status=503), times=1)
        with local.client() as client:
            client.users.balance()

    monkeypatch.setattr("triverse.sandbox.server.run_server", run_server)
    assert main(["sandbox", "--json"]) == 130
    shown = capsys.readouterr()
    described = json.loads(shown.out)
    (account,) = described["accounts"]
    assert described["environment"] == {"TRIVERSE_API_KEY": account["key"], "TRIVERSE_BASE_URL": described["base_url"]}
    assert (account["email"], account["balance"], account["frozen"]) == ("demo@triverse.example", 1200, 0)
    events = [json.loads(line) for line in shown.err.splitlines()]
    assert [(event["path"], event["status"]) for event in events] == [("/users/balance", 503), ("/users/balance", 200)]
    assert "503" in events[0]["fault"]


def test_a_served_sandbox_without_accounts_has_nothing_to_export(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_server(_: Sandbox, *, ready: Callable[[str], object], **__: object) -> None:
        ready("http://127.0.0.1:8787/api/v1")

    accounts = tmp_path / "accounts.toml"
    accounts.write_text("accounts = []", encoding="utf-8")
    monkeypatch.setattr("triverse.sandbox.server.run_server", run_server)
    assert main(["sandbox", "--json", "--accounts", str(accounts)]) == 130
    assert json.loads(capsys.readouterr().out) == {
        "base_url": "http://127.0.0.1:8787/api/v1", "accounts": [], "environment": {},
    }  # fmt: skip


@pytest.mark.parametrize(("arguments", "level"), [(["--debug"], ""), ([], "debug")])
def test_attempts_are_json_lines_too(arguments: list[str], level: str) -> None:
    shown = run("task", "show", str(UUID(int=1)), "--sandbox", "--json", *arguments, TRIVERSE_LOG=level)
    (event,) = (json.loads(line) for line in shown.stderr.splitlines())
    assert (event["event"], event["level"]) == ("log", "debug")
    assert f"/tasks/{UUID(int=1)}: HTTP 200" in event["message"]
    assert json.loads(shown.stdout)["status"] == "SUCCESS"
