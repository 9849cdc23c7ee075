from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.server import Received, Server, answer, envelope, serving

from triverse.cli import main

CREDITS = {"key-of-studio": 40.0, "key-of-lab": 7.5, "key-of-archive": 900.0}

TOML = '[accounts]\nstudio = "key-of-studio"\nlab = "env:LAB_KEY"\n"archive" = "key-of-archive"\n'


def bank(received: Received) -> bytes:
    available = CREDITS.get(received.header("Authorization").removeprefix("Bearer "))
    if available is None:
        return answer({"code": 1001, "message": "unknown key", "suggestion": "Check it."}, 401)
    return answer(envelope({"balance": available, "frozen": 1.0}))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_KEY", "key-of-lab")
    path = tmp_path / "accounts.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def ask(path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    with serving(bank) as server:
        return ask_of(server, path, monkeypatch, *options)


def ask_of(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
    return main(["balance", "--accounts", str(path), *options])


def test_accounts_are_shown_the_lowest_first(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(file, monkeypatch) == 0
    assert capsys.readouterr() == (
        "name\tavailable\tfrozen\terror\nlab\t7.5\t1\t\nstudio\t40\t1\t\narchive\t900\t1\t\n",
        "",
    )


def test_json_is_one_line_an_account(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(file, monkeypatch, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(lines, key=lambda line: str(line["name"])) == [
        {"name": "archive", "balance": 900.0, "frozen": 1.0},
        {"name": "lab", "balance": 7.5, "frozen": 1.0},
        {"name": "studio", "balance": 40.0, "frozen": 1.0},
    ]


@pytest.mark.parametrize(("below", "status"), [("7.5", 0), ("8", 3)])
def test_one_balance_below_the_threshold_is_status_3(
    below: str, status: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(file, monkeypatch, "--below", below) == status


def test_a_bad_key_costs_one_error_and_shows_no_key(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_KEY", "key-that-was-revoked")
    assert ask(file, monkeypatch) == 1
    out = capsys.readouterr().out
    assert "/users/balance: HTTP 401, code 1001). Check the API key" in out
    assert "which came from the file.\nstudio\t40\t1\t\n" in out
    assert "key-of" not in out
    assert "revoked" not in out
    assert ask(file, monkeypatch, "--below", "50", "--json") == 3
    assert "/users/balance: HTTP 401, code 1001)." in capsys.readouterr().out


def test_an_unreachable_service_is_status_4(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://127.0.0.1:9")
    assert main(["balance", "--accounts", str(file)]) == 4


def test_csv_names_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "accounts.csv"
    monkeypatch.setenv("LAB_KEY", "key-of-lab")
    path.write_text('name,key\nstudio,key-of-studio\n"lab, upstairs", env:LAB_KEY\n', encoding="utf-8-sig")
    assert ask(path, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["lab, upstairs\t7.5\t1\t", "studio\t40\t1\t"]


def test_a_list_names_environment_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "accounts"
    monkeypatch.setenv("LAB_KEY", "key-of-lab")
    path.write_text("# ours\n\nLAB_KEY  # upstairs\n", encoding="utf-8")
    assert ask(path, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["LAB_KEY\t7.5\t1\t"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "", "has no table [accounts]"),
        ("a.toml", "[accounts]\n", "names no accounts"),
        ("a.csv", "studio,secret-key-1\n", "must begin with a line that names the columns: name,key"),
        ("a.csv", "name,key\nstudio,\n", "line 2: a name and a key are needed"),
        ("a.csv", "name,key\nstudio\n", "line 2: a name and a key are needed"),
        ("a.csv", "name,key\na,secret-key-1\na,secret-key-2\n", "names the account 'a' twice"),
        ("a.csv", "", "must begin with a line"),
        ("a.txt", "secret-key-1\n", "line 1: this is not the name of an environment variable"),
        ("a.csv", 'name,key\n"a,secret-key-1\nb,secret-key-2\n', "is not valid CSV after line 1"),
        (
            "a.csv",
            f"name,key\na,{'secret-key-1' * 20_000}\n",
            "is not valid CSV after line 1: field larger than field limit",
        ),
        ("a.toml", "[accounts]\nsecret-key-1-of-16 = 1\n", "under [accounts] must be text in quotes"),
        ("a.toml", "a = " + "[" * 100_000, "is not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained_without_quoting_keys(
    name: str, text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert main(["balance", "--accounts", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "secret-key" not in error


def test_a_file_that_is_not_there_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", "--accounts", str(tmp_path / "none.toml")]) == 2
    assert "none.toml: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--sandbox"], ["--profile", "work"]])
def test_accounts_and_one_account_cannot_be_used_together(
    options: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["balance", "--accounts", str(file), *options]) == 2
    assert "cannot be used together" in capsys.readouterr().err
