"""What commands show on a terminal, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.clients import KEY
from support.server import Received, answer, envelope, serving
from support.terminal import Terminal

CREDITS = {f"key-of-account-{number}": 100.0 * number for number in range(1, 4)}


def bank(received: Received) -> bytes:
    available = CREDITS.get(received.header("Authorization").removeprefix("Bearer "))
    if available is None:
        return answer({"code": 1001, "message": "unknown key", "suggestion": "Make a new one."}, 401)
    return answer(envelope({"balance": available, "frozen": 0.0}))


@pytest.fixture
def file(tmp_path: Path) -> str:
    keys = {"studio": 3, "lab [red]": 1, "archive": 2, "gone": 9}
    lines = [f'"{name}" = "key-of-account-{number}"' for name, number in keys.items()]
    path = tmp_path / "accounts.toml"
    path.write_text("\n".join(["[accounts]", *lines]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("columns", [80, 40])
def test_accounts_are_a_table_after_a_progress_bar(columns: int, file: str) -> None:
    with (
        serving(bank) as server,
        Terminal("balance", "--accounts", file, "--below", "150", columns=columns, TRIVERSE_BASE_URL=server.url) as it,
    ):
        assert it.ended() == 3
        assert it.is_clean()
    assert "Requesting balances" in it.output
    assert "\x1b[31m" in it.output
    table = "\n".join(it.lines).rpartition("account")[2]
    names = [name for name in table.split() if name in {"studio", "lab", "archive", "gone"}]
    assert names == ["gone", "lab", "archive", "studio"]
    assert "[red]" in table
    assert "gone: unknown key" in table
    assert max(len(line.rpartition("\r")[2]) for line in table.splitlines()) <= columns


def test_no_color_is_respected(file: str) -> None:
    with (
        serving(bank) as server,
        Terminal("balance", "--accounts", file, TRIVERSE_BASE_URL=server.url, NO_COLOR="1") as it,
    ):
        assert it.ended() == 1
    assert "\x1b[31m" not in it.output


@pytest.mark.parametrize("columns", [80, 40])
def test_the_doctor_wraps_what_is_long(columns: int) -> None:
    with (
        serving(lambda _: answer(b"<html>", headers={"Content-Type": "text/html"})) as server,
        Terminal("doctor", columns=columns, TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url) as it,
    ):
        assert it.ended() == 1
    assert max(map(len, it.lines)) <= columns
    assert "Cause: A web page" in " ".join(it.lines)


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("command", [(), ("balance",), ("generate",), ("sandbox",)])
def test_help_is_wrapped_to_the_terminal(command: tuple[str, ...], columns: int) -> None:
    with Terminal(*command, "--help", columns=columns) as it:
        assert it.ended() == 0
    assert max(map(len, it.lines)) <= columns
    assert "..." not in "".join(it.lines).replace("[ARGS]...", "")
