"""Account files and config files in the encodings and file types that occur in practice."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.server import answer, envelope, serving

from triverse.cli import main
from triverse.cli.files import display_name, read_text

KEY = "tv_live_8f3ac0ffee8f3ac0ffee"
TOML = '[accounts]\r\nstudio = "key-of-studio"\r\n'


def balances(path: Path | str, monkeypatch: pytest.MonkeyPatch) -> int:
    with serving(lambda _: answer(envelope({"balance": 40.0, "frozen": 1.0}))) as server:
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        return main(["balance", "--accounts", str(path)])


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["balance", "--accounts", str(path)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    "file",
    [("a.toml", TOML), ("a.csv", "name,key\r\nstudio,key-of-studio\r\n"), ("a.txt", "STUDIO\r\n")],
)
def test_every_encoding_with_a_byte_order_mark_is_read(
    file: tuple[str, str],
    encoding: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / file[0]
    path.write_bytes(file[1].encode(encoding))
    monkeypatch.setenv("STUDIO", "key-of-studio")
    assert balances(path, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[1].lower() == "studio\t40\t1\t"


def test_text_that_is_not_unicode_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"[accounts]\nzo\xeb = 1\n")
    assert "it is not UTF-8 text" in refusal(path, capsys)


def test_utf_16_without_a_mark_is_refused_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("name,key\n".encode("utf-16-le"))
    assert "it contains NUL characters. Save it as UTF-8" in refusal(path, capsys)


def test_a_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Is a directory" in refusal(tmp_path, capsys)


def test_a_named_pipe_without_a_writer_is_an_error_and_not_a_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "names no accounts" in refusal(path, capsys)


def test_a_pipe_of_the_shell_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    monkeypatch.setenv("STUDIO", "key-of-studio")
    first = threading.Event()

    def write_slowly() -> None:
        os.write(write, b"# accounts\n")
        first.wait(0.2)
        os.write(write, b"STUDIO\n")
        os.close(write)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    try:
        assert balances(f"/dev/fd/{read}", monkeypatch) == 0
    finally:
        writer.join()
        os.close(read)
    assert capsys.readouterr().out.splitlines()[1] == "STUDIO\t40\t1\t"


def test_a_file_that_never_ends_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "it is larger than 64 MiB" in refusal(Path("/dev/zero"), capsys)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", f"{KEY}\n"),
        ("a.txt", f"STUDIO\n{KEY} # the new one\n"),
        ("a.txt", f"{KEY}-{KEY}\n"),
        ("a.toml", f'[accounts]\nstudio = "env:{KEY}"\n'),
        ("a.toml", f'[accounts]\n{KEY} = "studio"\n'),
        ("a.toml", f"[accounts]\n{KEY} = 1\n"),
        ("a.toml", f'[accounts]\n{KEY} = "a"\n{KEY} = "b"\n'),
        ("a.csv", f"name,key\n{KEY},studio\n"),
        ("a.csv", f"name,key\n{KEY},studio\n{KEY},studio\n"),
        ("a.csv", f"{KEY}\n"),
        ("a.csv", f'name,key\n"studio,{KEY}\n'),
    ],
)
def test_a_key_in_the_place_of_a_name_is_never_printed(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("STUDIO", "key-of-studio")
    assert balances(path, monkeypatch) == 2
    out, error = capsys.readouterr()
    assert KEY not in out + error


def test_a_key_in_the_place_of_a_file_is_never_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert KEY not in refusal(Path(KEY), capsys)


def test_one_unset_variable_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[accounts]\nstudio = "env:NOT_SET"\nlab = "key-of-lab"\n', encoding="utf-8")
    assert balances(path, monkeypatch) == 2
    out, error = capsys.readouterr()
    assert out.splitlines() == [
        "name\tavailable\tfrozen\terror",
        "studio\t\t\tthe environment variable that 'studio' names with env: is not set",
        "lab\t40\t1\t",
    ]
    assert error == ""


@pytest.mark.parametrize(
    "name", ["studio", "accounts/2024/a-long-path", "a long name of 2024", "customer-archive-main"]
)
def test_names_that_cannot_be_keys_are_shown(name: str) -> None:
    assert display_name(name) == name


def test_where_permissions_mean_nothing_they_are_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text("text", encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setattr("triverse.cli.files._IS_POSIX", False)
    assert read_text(path, private=True) == "text"
