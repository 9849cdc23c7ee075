"""From a prompt to a file on the command line, against a served sandbox."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from support.sandbox_api import PNG

from triverse import Progress, Task, TaskQueue
from triverse.cli import main
from triverse.cli.progress import reporting, task_line
from triverse.sandbox import Fault, Sandbox, SandboxSettings


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Generator[Sandbox]:
    """A served sandbox whose tasks succeed at once, with the variables that it exports in the environment."""
    sandbox = Sandbox(task_seconds=0)
    with sandbox.serve() as url:
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        monkeypatch.setenv("TRIVERSE_API_KEY", sandbox.demo.key)
        yield sandbox


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_prompt_becomes_a_file(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "helmet.glb"
    assert main(["generate", "a brass helmet", "-o", str(target), "--texture-size", "2048", "--turbo", "--yes"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{target}\n"
    assert "of 1200 credits." in shown.err
    assert target.read_bytes() == sandbox.model_of(sandbox.demo.tasks[-1])


def test_an_image_is_uploaded_first(sandbox: Sandbox, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PNG)
    assert main(["generate", "--image", str(photo), "-o", str(tmp_path), "--yes"]) == 0
    assert sandbox.demo.tasks[-1].flow_name == "image-to-model"
    assert len(sandbox.demo.uploads) == 1
    assert len(list(tmp_path.glob("*.glb"))) == 1


@pytest.mark.parametrize(
    ("what", "options", "sent"),
    [
        (
            ["a helmet"],
            ["--negative-prompt", "rust", "--polygon-limit", "5000"],
            {"prompt": "a helmet", "negative_prompt": "rust", "polygon_limit": 5000},
        ),
        (
            ["--image", "https://files.example/a.png"],
            ["--model-version", "v2", "--turbo"],
            {"image_file": "https://files.example/a.png", "model_version": "v2", "turbo": True},
        ),
    ],
)
def test_parameters_are_sent(
    sandbox: Sandbox, tmp_path: Path, what: list[str], options: list[str], sent: dict[str, object]
) -> None:
    assert main(["generate", *what, *options, "-o", str(tmp_path), "--yes"]) == 0
    assert sent.items() <= sandbox.demo.tasks[-1].params.items()


def test_a_task_is_repeated_only_on_purpose(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.settings = SandboxSettings(duplicate_window_covers_ids=True)
    command = ["generate", "a helmet", "-o", str(tmp_path), "--yes"]
    assert [main(command), main(command), main([*command, "--allow-duplicate"])] == [0, 1, 0]
    assert "--allow-duplicate" in capsys.readouterr().err
    assert len(sandbox.demo.tasks) == 2


def test_json_is_one_object_and_progress_goes_to_standard_error(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "a helmet", "-o", str(tmp_path / "x.glb"), "--yes", "--json"]) == 0
    shown = capsys.readouterr()
    (result,) = objects(shown.out)
    assert result["path"] == str(tmp_path / "x.glb")
    events = [event["event"] for event in objects(shown.err)]
    assert events[0] == "quote"
    assert {"task", "download"} <= set(events)
    assert len(sandbox.demo.tasks) == 1


@pytest.mark.parametrize(("reply", "expected"), [("y\n", (0, 1)), ("n\n", (2, 0)), ("", (2, 0))])
def test_it_asks_before_it_spends_credits(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: str, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(reply))
    status = main(["generate", "a helmet", "-o", str(tmp_path)])
    assert (status, len(sandbox.demo.tasks)) == expected


def test_too_few_credits_are_an_error_before_anything_is_created(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.settings = SandboxSettings(prices={"text-to-model": 9000})
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes"]) == 1
    assert "only 1200 are available" in capsys.readouterr().err
    assert not sandbox.demo.tasks


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["generate", "ab", "--yes"], 7, "prompt"),
        (["generate", "--yes"], 2, "either a prompt or --image"),
        (["generate", "--image", "a.png", "--negative-prompt", "rust"], 2, "--image and --negative-prompt"),
        (["generate", "a helmet", "--model-version", "v2"], 2, "--model-version goes with --image"),
        (["generate", "a helmet", "--texture-size", "1", "--yes"], 7, "texture_size"),
        (["generate", "--image", "missing.png", "--yes"], 7, "missing.png"),
        (["generate", "a helmet", "-o", "nowhere/x.glb"], 2, "no directory"),
        (["quote", "text-to-model", "-p", "turbo"], 2, "NAME=VALUE"),
        (["quote", "text_to_model"], 7, "text-to-model"),
        (["upload", "missing.png"], 7, "missing.png"),
        (["task", "show", "not-a-uuid"], 2, "is not a valid UUID"),
        (["task", "show", str(uuid4())], 1, "404"),
    ],
)
def test_wrong_input_has_a_status_and_one_line(
    arguments: list[str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    assert text in capsys.readouterr().err


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "x.glb"
    target.write_text("old")
    assert main(["generate", "a helmet", "-o", str(target), "--yes"]) == 2
    assert not sandbox.demo.tasks
    assert main(["generate", "a helmet", "-o", str(target), "--yes", "--overwrite"]) == 0
    assert target.read_bytes().startswith(b"glTF")


def test_nothing_is_paid_for_a_file_that_cannot_be_created(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(_path: object, mode: int) -> bool:
        return mode != os.W_OK

    # A read-only file system: root may write to a directory whatever its permissions are.
    monkeypatch.setattr("os.access", access)
    for target in (tmp_path, tmp_path / "x.glb"):
        assert main(["generate", "a helmet", "-o", str(target), "--yes"]) == 2
        assert f"no file can be created in {tmp_path}" in " ".join(capsys.readouterr().err.split())
    assert not sandbox.demo.tasks


def test_a_failed_task_has_a_status_of_its_own(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.settings = SandboxSettings(outcome="FAILED")
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes"]) == 5
    assert str(sandbox.demo.tasks[-1].uuid) in capsys.readouterr().err


def test_a_download_that_fails_names_the_command_that_goes_on(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.add(Fault(status=404), match="GET /tasks/download/{task_uuid}")
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes"]) == 1
    uuid = sandbox.demo.tasks[-1].uuid
    assert f"To go on with the task: triverse task wait {uuid} -o {tmp_path}" in capsys.readouterr().err


def test_a_task_can_be_shown_waited_for_watched_and_downloaded(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sandbox.client() as client:
        number = str(client.tasks.text_to_model("a helmet").task_uuid)
    assert main(["task", "show", number]) == 0
    assert "SUCCESS" in capsys.readouterr().out
    assert main(["task", "show", number, "--json"]) == 0
    assert objects(capsys.readouterr().out)[0]["task_uuid"] == number
    assert main(["task", "wait", number]) == 0
    assert capsys.readouterr().out == "SUCCESS\n"
    assert main(["task", "wait", number, "-o", str(tmp_path / "a.glb"), "--json"]) == 0
    assert objects(capsys.readouterr().out)[0]["path"] == str(tmp_path / "a.glb")
    assert main(["task", "watch", number]) == 0
    assert capsys.readouterr().out == "SUCCESS\n"
    assert main(["task", "watch", number, "--json"]) == 0
    assert main(["task", "download", number, "-o", str(tmp_path / "b.glb")]) == 0
    assert main(["task", "download", number, "-o", str(tmp_path / "c.png"), "--preview", "--json"]) == 0
    assert (tmp_path / "b.glb").read_bytes() == (tmp_path / "a.glb").read_bytes()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["task", "url", number]) == 0
    assert main(["task", "url", number, "--preview"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first != second
    assert main(["task", "url", number, "--json"]) == 0
    assert objects(capsys.readouterr().out)[0]["download_url"]


def test_a_wait_that_takes_too_long_has_a_status_of_its_own(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.task_seconds = None
    with sandbox.client() as client:
        number = str(client.tasks.text_to_model("a helmet").task_uuid)
    assert main(["task", "wait", number, "--timeout", "0.3"]) == 6
    assert f"triverse task wait {number}" in capsys.readouterr().err


@pytest.mark.usefixtures("sandbox")
def test_a_price_is_shown_and_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quote", "image-to-model", "-p", "turbo=true"]) == 0
    assert "affordable" in capsys.readouterr().out
    assert main(["quote", "--json"]) == 0
    assert objects(capsys.readouterr().out)[0]["affordable"] is True


def test_files_are_uploaded_by_their_content(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, chair = tmp_path / "photo.bin", tmp_path / "chair.obj"
    photo.write_bytes(PNG)
    chair.write_text("v 0 0 0\n")
    assert main(["upload", str(photo)]) == 0
    assert main(["upload", str(chair), "--variant", "geometry", "--json"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert sandbox.demo.uploads.find(first)
    assert sandbox.demo.uploads.find(str(json.loads(second)["file_key"]))


def test_a_parameter_that_the_service_refuses_has_the_status_of_wrong_input(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.add(Fault(code=2008), match="POST /tasks/text-to-model")
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes", "--json"]) == 7
    (found,) = objects(capsys.readouterr().out)
    error = cast("dict[str, object]", found["error"])
    assert (error["type"], error["status_code"], error["task_may_exist"]) == ("BadRequestError", 400, False)
    assert error["client_order_id"]


def test_steps_of_a_large_upload_are_shown_once_a_second(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chair = tmp_path / "chair.obj"
    chair.write_bytes(b"v 0 0 0\n" * 100_000)
    assert main(["upload", str(chair), "--json"]) == 0
    steps = objects(capsys.readouterr().err)
    assert steps[-1] == {"event": "upload", "done": 800_000, "total": 800_000}
    assert len(steps) < 10
    assert main(["upload", str(chair)]) == 0
    assert capsys.readouterr().err.endswith("upload  800.0 of 800.0 kB\n")
    assert len(sandbox.demo.uploads) == 2


IN_QUEUE = TaskQueue(is_queued=True, position=3, estimated_wait_seconds=75)


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ({"status": "RUNNING", "progress": 29.4}, "RUNNING  29 %"),
        ({"status": "QUEUED", "queue": TaskQueue(is_queued=True)}, "QUEUED  queued"),
        (
            {"status": "QUEUED", "queue": IN_QUEUE},
            "QUEUED  queued at place 3, about 75 s",
        ),
        ({"status": "FAILED", "progress": 50.0, "error": "No\nluck"}, "FAILED  No luck"),
    ],
)
def test_the_state_of_a_task_is_one_line(task: dict[str, Any], line: str) -> None:
    assert task_line(Task(uuid4(), **task)) == line


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(0, None), "0.0 kB"),
        (Progress(500, 1500), "0.5 of 1.5 kB"),
        (Progress(12_500_000, 50_000_000), "12.5 of 50.0 MB"),
    ],
)
def test_an_amount_of_bytes_has_a_unit_that_fits(
    progress: Progress, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with reporting(as_json=False) as reporter:
        reporter.transfer("download", progress)
    assert capsys.readouterr().err == f"download  {line}\n"


def test_a_disk_that_is_full_names_the_command_that_goes_on(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def download(*_: object, **__: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", "x.glb")

    monkeypatch.setattr("triverse.api.tasks.namespace.Tasks.download", download)
    assert main(["generate", "a helmet", "-o", str(tmp_path), "--yes"]) == 1
    uuid = sandbox.demo.tasks[-1].uuid
    message = f"x.glb: No space left on device. To go on with the task: triverse task wait {uuid} -o {tmp_path}"
    assert message in capsys.readouterr().err
