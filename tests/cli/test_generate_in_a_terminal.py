"""What `triverse generate` shows in a terminal, and what Ctrl-C leaves behind."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from support.sandbox_api import PNG
from support.terminal import Terminal

from triverse.cli import main
from triverse.sandbox import Fault, Sandbox, SandboxSettings


@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox whose tasks move by hand, after the first poll."""
    return Sandbox(task_seconds=None)


@pytest.fixture
def url(sandbox: Sandbox) -> Generator[str]:
    with sandbox.serve() as url:
        yield url


def terminal(sandbox: Sandbox, url: str, *arguments: str, columns: int = 80) -> Terminal:
    return Terminal(*arguments, columns=columns, TRIVERSE_BASE_URL=url, TRIVERSE_API_KEY=sandbox.demo.key)


def test_it_asks_shows_a_bar_and_prints_the_path(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    target = str(tmp_path / "x.glb")
    with terminal(sandbox, url, "generate", "a helmet", "-o", target, columns=200) as it:
        it.see("of 1200 credits")
        it.press("y\n")
        it.see("PENDING")
        sandbox.demo.tasks[-1].advance()
        sandbox.demo.tasks[-1].advance()
        it.see("RUNNING")
        sandbox.demo.tasks[-1].succeed()
        assert it.ended() == 0
        assert it.lines[-1] == target
        assert it.is_clean()


def test_an_upload_is_shown(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PNG)
    with terminal(sandbox, url, "upload", str(photo)) as it:
        assert it.ended() == 0
        assert "upload" in it.output
        assert it.lines[-1].startswith("tasks/uid_")


def test_ctrl_c_at_the_question_creates_nothing(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    with terminal(sandbox, url, "generate", "a helmet", "-o", str(tmp_path)) as it:
        it.see("[y/N]")
        assert it.interrupt() == 130
        assert it.lines[-1] == "triverse: interrupted; nothing was created"
    assert not sandbox.demo.tasks


def test_ctrl_c_while_waiting_prints_the_command_that_goes_on(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    target = str(tmp_path / "x y.glb")
    with terminal(sandbox, url, "generate", "a helmet", "-o", target, "--yes", columns=400) as it:
        it.see("PENDING")
        assert it.interrupt() == 130
        assert it.is_clean()
    uuid = sandbox.demo.tasks[-1].uuid
    assert it.lines[-1] == (
        f"triverse: interrupted; the task is {uuid}. To go on with the task: triverse task wait {uuid} -o '{target}'"
    )


def test_ctrl_c_while_the_task_is_created_prints_the_order_id(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    sandbox.faults.add(Fault.silent(processed=True), match="POST /tasks/text-to-model")
    arguments = ["generate", "a helmet", "-o", str(tmp_path), "--yes", "--order-id", "order-1", "--json"]
    with terminal(sandbox, url, *arguments, columns=400) as it:
        it.see("quote")
        it.until(lambda _: bool(sandbox.demo.tasks))
        assert it.interrupt() == 130
    error = json.loads(it.lines[-1].removeprefix("^C"))["error"]
    assert (error["type"], error["client_order_id"], error["exit_status"]) == ("Interrupted", "order-1", 130)
    sandbox.faults.clear()
    assert len(sandbox.demo.tasks) == 1


def test_an_interrupted_local_triverse_ends_with_its_task(tmp_path: Path) -> None:
    with Terminal("generate", "a helmet", "-o", str(tmp_path), "--sandbox", "--yes", columns=200) as it:
        it.see("PENDING")
        assert it.interrupt() == 130
        assert it.lines[-1].endswith("The local Triverse ended with this command.")


@pytest.fixture
def here(sandbox: Sandbox, url: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The same sandbox for commands in this process."""
    monkeypatch.setenv("TRIVERSE_BASE_URL", url)
    monkeypatch.setenv("TRIVERSE_API_KEY", sandbox.demo.key)
    return sandbox


def test_a_failed_task_with_json_shows_its_state(
    here: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.task_seconds = 0
    here.settings = SandboxSettings(outcome="FAILED")
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes", "--json"]) == 5
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["type"], error["exit_status"], error["task"]["status"]) == ("TaskFailedError", 5, "FAILED")
    assert error["task_uuid"] == str(here.demo.tasks[-1].uuid)


@pytest.mark.usefixtures("here")
def test_with_json_there_is_no_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--json"]) == 2
    assert "confirm the price with --yes" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_local_triverse_costs_nothing_and_need_not_be_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("triverse.cli.options.Sandbox", lambda: Sandbox(task_seconds=0))
    assert main(["generate", "a helmet", "-o", str(tmp_path / "x.glb"), "--sandbox", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "x.glb")


def test_an_image_of_the_web_is_not_uploaded(here: Sandbox, tmp_path: Path) -> None:
    here.task_seconds = 0
    arguments = ["generate", "--image", "https://files.example/a.png", "-o", str(tmp_path), "--yes"]
    assert main(arguments) == 0
    assert not here.demo.uploads


@pytest.mark.parametrize("content", [b"not an image", b""])
def test_a_file_that_is_no_image_is_refused_before_the_question(
    here: Sandbox, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.png"
    path.write_bytes(content)
    assert main(["generate", "--image", str(path), "-o", str(tmp_path)]) == 7
    error = capsys.readouterr().err
    assert "JPEG, PNG or WebP" in error or "empty" in error
    assert "costs" not in error
    assert not here.requests


def test_an_upload_that_takes_too_long_has_the_status_of_a_timeout(here: Sandbox, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PNG)
    here.faults.add(Fault.silent(), match="/upload/image")
    assert main(["upload", str(photo), "--timeout", "0.3"]) == 6


def test_a_connection_that_breaks_names_the_command_that_goes_on(
    here: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.task_seconds = 0
    here.faults.add(Fault.truncated(), match="GET /tasks/download/{task_uuid}")
    here.settings = SandboxSettings(etag="missing")
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes"]) == 4
    uuid = here.demo.tasks[-1].uuid
    assert f"To go on with the task: triverse task wait {uuid} -o {tmp_path}" in capsys.readouterr().err


def test_a_file_that_appears_meanwhile_is_kept(
    here: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.task_seconds = 0
    target = tmp_path / "x.glb"

    def check_target(*_: object, **__: object) -> None:
        target.write_text("mine", encoding="utf-8")

    monkeypatch.setattr("triverse.cli.generate.check_target", check_target)
    assert main(["generate", "a helmet", "-o", str(target), "--yes"]) == 1
    error = capsys.readouterr().err
    assert str(target) in error
    assert "triverse task wait" in error
    assert target.read_text(encoding="utf-8") == "mine"


def test_a_profile_is_part_of_the_command_that_goes_on(
    here: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[profiles]\nwork = '{here.demo.key}'\n", encoding="utf-8")
    config.chmod(0o600)
    monkeypatch.setattr("triverse.cli.keys.config_file", lambda: config)
    with here.client() as client:
        number = str(client.tasks.text_to_model("a helmet").task_uuid)
    assert main(["task", "wait", number, "--timeout", "0.3", "--profile", "work"]) == 6
    assert f"triverse task wait {number} --profile work" in capsys.readouterr().err


def test_a_task_without_a_preview_is_explained(here: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    here.task_seconds = 0
    here.settings = SandboxSettings(previews=False)
    with here.client() as client:
        number = str(client.tasks.text_to_model("a helmet").task_uuid)
    assert main(["task", "url", number, "--preview"]) == 1
    assert "the task has no preview" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_parameter_that_is_not_json_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quote", "image-to-model", "-p", "model_version=v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flow_name"] == "image-to-model"
