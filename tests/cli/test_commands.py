from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from support.clients import KEY
from support.server import BALANCE, ME, Peer, Received, Server, answer, envelope, serving
from support.shell import environment, run, run_program, start

from triverse import __version__
from triverse.cli import main

SUBCOMMANDS = [
    ["generate", "-h"], ["quote", "-h"], ["upload", "-h"], ["doctor", "-h"], ["sandbox", "-h"], ["openapi", "-h"],
    ["completion", "-h"], ["task", "-h"], ["task", "show", "-h"], ["task", "wait", "-h"], ["task", "watch", "-h"],
    ["task", "download", "-h"], ["task", "url", "-h"], ["sandbox", "top-up", "-h"], ["sandbox", "break", "-h"],
]  # fmt: skip


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key that the environment holds."""
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    return KEY


def ask(server: Server, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
    return main(arguments)


def test_the_sandbox_shows_a_balance_without_key_or_network() -> None:
    shown = run("balance", "--sandbox", HTTP_PROXY="http://127.0.0.1:9", TRIVERSE_BASE_URL="https://nowhere.invalid")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == "available  1200\nfrozen     0\ntotal      1200\n"


def test_the_sandbox_shows_a_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["me", "--sandbox"]) == 0
    assert "email        demo@triverse.example\n" in capsys.readouterr().out


@pytest.mark.usefixtures("key")
def test_the_balance_of_the_key_is_asked_of_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        assert ask(server, monkeypatch, "balance") == 0
    assert server.authorizations == [f"Bearer {KEY}"]
    assert capsys.readouterr() == ("available  100\nfrozen     25\ntotal      125\n", "")


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("command", "data"), [("me", ME), ("balance", BALANCE)])
def test_json_is_the_object_that_the_service_sent(
    command: str, data: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = {**data, "new_field": [1, "é"]}
    with serving(lambda _: answer(envelope(sent))) as server:
        assert ask(server, monkeypatch, command, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == sent


@pytest.mark.parametrize(("below", "status"), [("100", 0), ("100.5", 3)])
@pytest.mark.usefixtures("key")
def test_a_balance_below_the_threshold_is_status_3(below: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        assert ask(server, monkeypatch, "balance", "--below", below) == status


@pytest.mark.usefixtures("key")
def test_an_error_of_the_service_is_status_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"code": 1001, "message": "No such\nkey\x1b[31m.", "suggestion": "Ask the console."}
    with serving(lambda _: answer(refusal, 401)) as server:
        assert ask(server, monkeypatch, "balance") == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert "\x1b" not in error
    assert "HTTP 401, code 1001). Check the API key, which came from" in error
    assert error.endswith("To find the cause: triverse doctor\n")


@pytest.mark.usefixtures("key")
def test_an_answer_that_is_not_documented_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _: answer(envelope({"balance": None, "frozen": 0}))) as server:
        assert ask(server, monkeypatch, "balance") == 1
    assert "data.balance: expected a number, got null" in capsys.readouterr().err


@pytest.mark.usefixtures("key")
def test_no_answer_is_status_4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://127.0.0.1:9")
    assert main(["me"]) == 4
    assert capsys.readouterr().err.startswith("triverse: GET http://127.0.0.1:9/users/me: could not connect")


def test_no_key_is_status_2_and_the_error_names_the_places_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance"]) == 2
    assert capsys.readouterr().err == (
        "triverse: no API key: set TRIVERSE_API_KEY (keys are made in the Triverse API dashboard), choose a profile"
        " with --profile, or try --sandbox\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["balanec"], "No such command 'balanec'."),
        (["me", "--jsno"], "No such option"),
        (["me", "--jsno"], "Try: triverse me --help"),
        (["balance", "--below", "many"], "Invalid value for '--below': 'many' is not a number of credits"),
        (["balance", "--below", "-1"], "'-1' is not a number of credits that an account can have (0 or more)"),
        (["balance", "--below", "nan"], "'nan' is not a number of credits that an account can have (0 or more)"),
        (["balance", "--watch", "--quiet"], "--quiet and --watch cannot be used together"),
        (["me", "--sandbox", "--profile", "work"], "--sandbox and --profile cannot be used together"),
    ],
)
def test_wrong_usage_is_status_2_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.usefixtures("key")
def test_debug_shows_the_attempts_and_not_the_key() -> None:
    answers = [answer({"code": 5003, "message": "down"}, 503, {"Retry-After": "0"}), answer(envelope(BALANCE))]
    with serving(lambda _: answers.pop(0)) as server:
        shown = run("balance", "--debug", TRIVERSE_BASE_URL=server.url)
    assert shown.returncode == 0
    assert "/users/balance: HTTP 503" in shown.stderr
    assert "/users/balance: attempt 1 got HTTP 503; trying again" in shown.stderr
    assert "/users/balance: HTTP 200" in shown.stderr
    assert KEY not in shown.stderr


@pytest.mark.usefixtures("key")
def test_retries_are_silent_without_debug() -> None:
    answers = [answer({"code": 5003, "message": "down"}, 503, {"Retry-After": "0"}), answer(envelope(BALANCE))]
    with serving(lambda _: answers.pop(0)) as server:
        assert run("balance", TRIVERSE_BASE_URL=server.url).stderr == ""


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"triverse {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["me", "-h"], ["balance", "-h"], *SUBCOMMANDS])
def test_help_fits_a_screen(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    # The prompt of the shell needs the last line.
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80


def test_ctrl_c_is_quiet_and_status_130() -> None:
    def hang(peer: Peer) -> None:
        peer.request()
        peer.pause()

    with Server(hang) as server:
        waiting = start("balance", TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url)
        assert server.heard()
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=120) == (b"", b"")
    assert waiting.returncode == 130


def test_text_that_the_output_cannot_encode_is_escaped() -> None:
    def named(_: Received) -> bytes:
        return answer(envelope({**ME, "email": "zoë@example.com"}))

    with serving(named) as server:
        shown = run("me", TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "zo\\xeb@example.com" in shown.stdout


def test_it_can_be_called_with_its_output_caught() -> None:
    caught = io.StringIO()
    with redirect_stdout(caught):
        assert main(["balance", "--sandbox"]) == 0
    assert caught.getvalue().startswith("available  1200\n")


def test_help_loads_no_command() -> None:
    program = (
        "import sys; from triverse.cli import main; main(sys.argv[1:]);print(*sorted(sys.modules), file=sys.stderr)"
    )
    loaded = set(run_program(program, "--help").stderr.split())
    assert loaded & {"triverse.cli.balance", "triverse.cli.doctor", "httpx", "rich", "cattrs", "starlette"} == set()


@pytest.mark.parametrize("missing", ["click", "platformdirs"])
def test_a_missing_extra_is_one_line_with_the_install_command(missing: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{missing!r}] = None", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    shown = run("me", "--profile", "work", PYTHONPATH=path)
    message = f'triverse: {missing} is not installed: pip install "triverse[cli]"\n'
    assert (shown.returncode, shown.stderr) == (2, message)
    as_json = run("me", "--profile", "work", "--json", PYTHONPATH=path)
    assert json.loads(as_json.stdout)["error"]["message"] == message.removeprefix("triverse: ").rstrip()
    assert (as_json.returncode, as_json.stderr) == (2, "")


def test_a_module_that_is_missing_for_another_reason_is_not_explained_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "triverse.cli.app", raising=False)
    monkeypatch.setitem(sys.modules, "triverse.cli.failure", None)
    with pytest.raises(ModuleNotFoundError):
        main(["me"])


@pytest.mark.parametrize(
    ("arguments", "kind", "status"),
    [
        (["balance", "--json", "--below", "many"], "BadParameter", 2),
        (["me", "--json"], "ConfigurationError", 2),
        (["me", "--json", "--jsno"], "NoSuchOption", 2),
    ],
)
def test_an_error_with_json_is_one_object_on_standard_output(
    arguments: list[str], kind: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    out, error = capsys.readouterr()
    found = json.loads(out)["error"]
    assert (found["type"], found["exit_status"]) == (kind, status)
    assert found["message"]
    assert error == ""


@pytest.mark.usefixtures("key")
def test_an_error_of_the_service_with_json_has_its_details(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"code": 2010, "message": "No credits", "suggestion": "Buy some."}
    with serving(lambda _: answer(refusal, 403)) as server:
        assert ask(server, monkeypatch, "me", "--json") == 1
    found = json.loads(capsys.readouterr().out)["error"]
    assert found["type"] == "InsufficientCreditsError"
    assert (found["status_code"], found["code"], found["suggestion"]) == (403, 2010, "Buy some.")
    assert (found["method"], found["exit_status"]) == ("GET", 1)


def test_a_profile_shows_whose_balance_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("triverse.cli.keys.config_file", lambda: tmp_path / "config.toml")
    (tmp_path / "config.toml").write_text(f"[profiles]\nwork = '{KEY}'\n", encoding="utf-8")
    (tmp_path / "config.toml").chmod(0o600)
    with serving() as server:
        assert ask(server, monkeypatch, "balance", "--profile", "work") == 0
    assert capsys.readouterr().out == "profile    work\navailable  100\nfrozen     25\ntotal      125\n"


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("below", "status"), [("100", 0), ("101", 3)])
def test_quiet_prints_nothing_and_keeps_the_status(
    below: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        assert ask(server, monkeypatch, "balance", "--below", below, "--quiet") == status
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("key")
def test_quiet_has_different_statuses_for_low_credits_and_no_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://127.0.0.1:9")
    assert main(["balance", "--below", "100", "--quiet"]) == 4
    out, error = capsys.readouterr()
    assert out == ""
    assert error.endswith("To find the cause: triverse doctor\n")


def test_python_m_triverse_is_the_same_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-OO", "-m", "triverse", "balance", "--help"],
        env=environment(COLUMNS="80"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # With -OO there are no docstrings, of which click makes the help by default.
    assert "Show the API credits: available and frozen." in ran.stdout
    assert (ran.returncode, ran.stderr) == (0, "")
