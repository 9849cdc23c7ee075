"""Commands about a task with `--sandbox`: its local Triverse begins and ends with the command."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from uuid import uuid4

import pytest

from triverse.cli import main, options
from triverse.sandbox import Sandbox

NUMBER = str(uuid4())


def test_any_id_names_a_task_that_has_succeeded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["task", "show", NUMBER, "--sandbox", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["task_uuid"], shown["status"], shown["flow_name"]) == (NUMBER, "SUCCESS", "text-to-model")
    assert all(shown[moment] for moment in ("created_at", "started_at", "completed_at"))


def test_its_model_and_its_preview_can_be_downloaded(tmp_path: Path) -> None:
    model, picture = tmp_path / "x.glb", tmp_path / "x.png"
    assert main(["task", "download", NUMBER, "--sandbox", "-o", str(model)]) == 0
    assert main(["task", "download", NUMBER, "--sandbox", "--preview", "-o", str(picture)]) == 0
    assert model.read_bytes().startswith(b"glTF")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_its_url_is_printed_with_a_note_that_it_leads_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["task", "url", NUMBER, "--sandbox"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("http://127.0.0.1/")
    assert "leads nowhere" in shown.err


def test_a_wait_and_a_watch_see_the_task_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Otherwise each takes the 10 seconds of a task.
    monkeypatch.setattr(options, "Sandbox", functools.partial(Sandbox, task_seconds=0))
    target = tmp_path / "x.glb"
    assert main(["task", "wait", NUMBER, "--sandbox", "-o", str(target)]) == 0
    assert main(["task", "watch", NUMBER, "--sandbox"]) == 0
    assert capsys.readouterr().out == f"{target}\nSUCCESS\n"
    assert target.read_bytes().startswith(b"glTF")


def test_a_wait_begins_before_the_task_has_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(options, "Sandbox", functools.partial(Sandbox, task_seconds=None))
    assert main(["task", "wait", NUMBER, "--sandbox", "--timeout", "0.1"]) == 6
    assert "The local Triverse ended with this command." in capsys.readouterr().err


def test_an_order_id_that_is_refused_is_named_by_its_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "a helmet", "--sandbox", "--order-id", "a b", "-o", str(tmp_path)]) == 7
    expected = "triverse: --order-id must be 1 to 64 letters, digits, '_' and '-', not 'a b'\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon", "1e10"])
@pytest.mark.parametrize("command", [["generate", "a brass helmet", "--yes"], ["task", "wait", NUMBER]])
def test_a_timeout_is_checked_before_anything_is_sent(
    command: list[str], seconds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--sandbox", "-o", str(tmp_path), "--timeout", seconds]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(
        f"triverse: Invalid value for '--timeout': {seconds!r} is not a number of seconds (0 to 1e9)"
    )
    assert "credits" not in shown
