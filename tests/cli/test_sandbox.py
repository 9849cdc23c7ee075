from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from support.shell import environment, run, start

from triverse import AuthenticationError, Triverse
from triverse.cli import main


@contextmanager
def served(*arguments: str) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """The sandbox on a free port, and its output up to the moment when it is ready."""
    process = start("sandbox", "--port", "0", *arguments)
    try:
        yield process, output_until_ready(process)
    finally:
        process.kill()
        process.communicate()


def output_until_ready(process: subprocess.Popen[bytes]) -> str:
    output = ""
    stdout: IO[bytes] | None = process.stdout
    while stdout is not None and "TRIVERSE_BASE_URL" not in output and (line := stdout.readline()):
        output += line.decode()
    return output


def exported(output: str) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)=(.+)$", output, re.MULTILINE))


def test_the_export_lines_lead_to_it() -> None:
    with served() as (_, output):
        variables = exported(output)
        balance = run("balance", "--json", **variables)
        doctor = run("doctor", **variables)
    assert json.loads(balance.stdout) == {"balance": 1200.0, "frozen": 0.0}
    assert doctor.stdout.endswith("Everything works.\n")
    assert variables["TRIVERSE_API_KEY"] in output.partition("export")[0]


def test_ctrl_c_is_quiet_and_status_130() -> None:
    with served() as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=120) == (b"", b"")
        assert process.returncode == 130


def test_accounts_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(
        '[[accounts]]\nemail = "ada@example.com"\napi_credits = 120.5\n'
        '[[accounts]]\nemail = "bob@example.com"\nplan_name = "Pro"\n',
        encoding="utf-8",
    )
    with served("--accounts", str(path)) as (_, output):
        variables = exported(output)
        with Triverse(variables["TRIVERSE_API_KEY"], base_url=variables["TRIVERSE_BASE_URL"]) as client:
            assert client.users.me().email == "ada@example.com"
    assert "  ada@example.com, 120.5 credits\n" in output
    assert "  bob@example.com, 0 credits\n" in output


def test_activity_moves_the_balance() -> None:
    with served("--activity") as (_, output):
        variables = exported(output)
        with Triverse(variables["TRIVERSE_API_KEY"], base_url=variables["TRIVERSE_BASE_URL"]) as client:
            news = client.users.watch_balance(interval=0.1, max_interval=0.2)
            assert next(news) != next(news)
            news.close()


def test_a_file_without_accounts_is_served_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text("accounts = []", encoding="utf-8")
    process = start("sandbox", "--port", "0", "--quiet", "--accounts", str(path))
    assert process.stdout is not None
    (url,) = re.findall(rb"answers at (\S+);", process.stdout.readline())
    with Triverse("some-key-or-other", base_url=url.decode()) as client, pytest.raises(AuthenticationError):
        client.users.me()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[1] == b""


def test_a_port_that_is_taken_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["sandbox", "--port", str(taken.getsockname()[1])]) == 2
    assert capsys.readouterr().err.startswith("triverse: cannot listen at 127.0.0.1 port")


def test_a_missing_extra_is_one_line_with_the_install_command(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['uvicorn'] = None", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    shown = run("sandbox", PYTHONPATH=path)
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1
    assert 'pip install "triverse[sandbox]"' in shown.stderr


def test_the_description_is_openapi(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    description = json.loads(capsys.readouterr().out)
    assert description["openapi"].startswith("3.1")
    assert {"/users/me", "/users/balance"} <= set(description["paths"])


def test_a_host_of_the_network_needs_a_third_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_server(*_: object, ready: Callable[[str], object], **__: object) -> None:
        ready("http://192.0.2.2:8787/api/v1")

    monkeypatch.setattr("triverse.sandbox.server.run_server", run_server)
    assert main(["sandbox", "--host", "192.0.2.2"]) == 130
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["export TRIVERSE_ALLOW_HTTP=1", "export TRIVERSE_BASE_URL=http://192.0.2.2:8787/api/v1"]
