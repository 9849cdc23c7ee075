"""What `triverse doctor` finds beyond the network: the disk, uploads, and its report as JSON."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from triverse.cli import doctor, main
from triverse.sandbox import Fault, Sandbox


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Generator[Sandbox]:
    """A served sandbox, with the variables that it exports in the environment."""
    sandbox = Sandbox()
    with sandbox.serve() as url:
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        monkeypatch.setenv("TRIVERSE_API_KEY", sandbox.demo.key)
        yield sandbox


def test_json_is_one_object_with_each_check(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert (report["ok"], report["cause"], report["exit_status"]) == (True, None, 0)
    assert {check["status"] for check in report["checks"]} == {"ok"}
    sandbox.faults.add(Fault(status=503), match="/users/balance")
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["cause"].startswith("The service itself has a fault (HTTP 503)")
    (check,) = [check for check in report["checks"] if check["status"] == "fail"]
    assert check["name"] == "GET /users/balance"
    assert check["seconds"] > 0


def test_an_upload_that_does_not_pass_is_named(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.faults.add(Fault.html(status=413), match="/upload/image")
    assert main(["doctor"]) == 1
    report = capsys.readouterr().out
    assert "FAIL  POST /upload/image" in report
    assert "Cause: A web page (HTTP 413) came instead of a response" in report


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("free", "status", "expected"),
    [(0, 1, "Cause: The disk is full"), (10_000_000, 0, "Free some space: a download or upload may need 200 MB.")],
)
def test_a_full_disk_is_named(
    free: int, status: int, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def free_bytes(_: Path) -> int:
        return free

    monkeypatch.setattr(doctor, "_free_bytes", free_bytes)
    assert main(["doctor"]) == status
    assert expected in capsys.readouterr().out


def test_a_local_triverse_is_examined_without_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TRIVERSE_API_KEY", raising=False)
    assert main(["doctor", "--sandbox"]) == 0
    report = capsys.readouterr().out
    assert report.endswith("Everything works.\n")
    for check in ("versions", "disk", "sandbox", "GET /users/me", "GET /users/balance", "POST /upload/image"):
        assert f"ok    {check} " in report
