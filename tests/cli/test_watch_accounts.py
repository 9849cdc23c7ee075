"""`triverse balance --accounts FILE --watch`, in a terminal and in a pipe."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.server import Received, Responder, Server, answer, envelope, serving
from support.shell import start
from support.terminal import Terminal, last_frame

from triverse.cli import main

DOWN = answer({"code": 5003, "message": "Down for maintenance"}, 503, {"Retry-After": "0"})


class Bank:
    """Answers with the credits of each key. Tests change them while a command runs."""

    def __init__(self) -> None:
        self.credits = {"key-of-studio": 300.0, "key-of-lab": 900.0}
        self.is_down = False
        self.three_rounds = threading.Event()
        self._calls = 0

    def __call__(self, received: Received) -> bytes:
        self._calls += 1
        if self._calls >= 6:
            self.three_rounds.set()
        if self.is_down:
            return DOWN
        available = self.credits.get(received.header("Authorization").removeprefix("Bearer "))
        if available is None:
            return answer({"code": 1001, "message": "unknown key"}, 401)
        return answer(envelope({"balance": available, "frozen": 0.0}))


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "accounts.toml"
    path.write_text(
        '[accounts]\nstudio = "key-of-studio"\nlab = "key-of-lab"\nunset = "env:NOT_SET"\n', encoding="utf-8"
    )
    return str(path)


@contextmanager
def watching(respond: Responder, file: str, *options: str, columns: int = 80, rows: int = 24) -> Generator[Terminal]:
    command = ["balance", "--accounts", file, "--watch", "--interval", "0.1", *options]
    with serving(respond) as server, Terminal(*command, columns=columns, rows=rows, TRIVERSE_BASE_URL=server.url) as it:
        yield it


def test_the_view_follows_each_account_and_marks_the_low_ones(bank: Bank, file: str) -> None:
    with watching(bank, file, "--below", "200") as terminal:
        frame = last_frame(
            terminal.until(lambda new: "900" in last_frame(new) and "unset: the environment" in last_frame(new))
        )
        assert "3 accounts at 127.0.0.1:" in frame
        assert "below" not in frame.partition("unset: ")[0].replace("200", "")
        bank.credits["key-of-studio"] = 150.0
        terminal.until(lambda new: "150" in last_frame(new) and "below" in last_frame(new))
        terminal.press("q")
        assert terminal.ended() == 3
        assert terminal.is_clean()
    table = terminal.output.rpartition("\x1b[?1049l")[2]
    assert table.index("unset") < table.index("studio") < table.index("lab  ")


def test_the_view_shows_what_happened_to_which_account(bank: Bank, file: str) -> None:
    with watching(bank, file) as terminal:
        terminal.until(lambda new: "300" in last_frame(new))
        bank.credits["key-of-studio"] = 800.0
        terminal.until(lambda new: "studio: topped up 500" in last_frame(new))
        bank.credits["key-of-lab"] = 870.0
        frame = last_frame(terminal.until(lambda new: "lab: froze 30, deducted 30" in last_frame(new)))
        assert "studio: topped up 500" in frame
        terminal.press("q")
        assert terminal.ended() == 2


def test_balances_stay_and_look_stale_while_the_service_is_down(bank: Bank, file: str) -> None:
    with watching(bank, file) as terminal:
        terminal.until(lambda new: "900" in last_frame(new))
        bank.is_down = True
        frame = last_frame(terminal.until(lambda new: "STALE: updated" in last_frame(new)))
        assert "900" in frame
        assert "error: " in frame
        bank.is_down = False
        terminal.until(lambda new: "updated" in last_frame(new) and "STALE" not in last_frame(new))
        terminal.press("q")
        assert terminal.ended() == 2


def test_a_service_that_is_down_from_the_start_is_shown(bank: Bank, file: str) -> None:
    bank.is_down = True
    with watching(bank, file) as terminal:
        terminal.until(lambda new: "waiting for the first response" in new and "studio: Down for" in new)
        terminal.press("q")
        assert terminal.ended() == 1


def test_accounts_that_do_not_fit_are_counted(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    lines = [f'account-{number:02} = "key-of-lab"' for number in range(30)]
    path.write_text("\n".join(["[accounts]", *lines]), encoding="utf-8")
    with watching(bank, str(path), rows=12) as terminal:
        frame = last_frame(terminal.until(lambda new: "and 23 more" in last_frame(new)))
        assert len(frame.splitlines()) <= 13
        terminal.press("q")
        assert terminal.ended() == 0


def lines_of(server: Server, file: str, count: int, *options: str) -> tuple[subprocess.Popen[bytes], list[str]]:
    command = ["balance", "--accounts", file, "--watch", "--interval", "0.1", *options]
    process = start(*command, TRIVERSE_BASE_URL=server.url)
    assert process.stdout is not None
    return process, [process.stdout.readline().decode().strip() for _ in range(count)]


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 130


def test_a_pipe_gets_a_line_for_each_change(bank: Bank, file: str) -> None:
    with serving(bank) as server:
        process, lines = lines_of(server, file, 3, "--below", "400")
        texts = {line.partition("Z  ")[2] for line in lines}
        assert texts == {
            "unset  error: the environment variable that 'unset' names with env: is not set",
            "studio  available 300  frozen 0  below",
            "lab  available 900  frozen 0",
        }
        # Two more rounds change nothing, and print nothing.
        assert bank.three_rounds.wait(30)
        bank.credits["key-of-lab"] = 880.0
        assert process.stdout is not None
        assert process.stdout.readline().decode().strip().endswith("lab  available 880  frozen 0")
        end(process)


def test_json_is_an_object_for_each_change(bank: Bank, file: str) -> None:
    with serving(bank) as server:
        process, lines = lines_of(server, file, 3, "--json", "--below", "400")
        end(process)
    found = {line["name"]: line for line in map(json.loads, lines)}
    assert "error" in found["unset"]
    assert (found["studio"]["balance"], found["studio"]["below"]) == (300.0, True)
    assert found["lab"]["below"] is False
    assert all(line["time"].endswith("Z") for line in found.values())


@pytest.mark.parametrize("interval", ["nan", "inf", "1e10", "0.05", "often"])
def test_an_interval_for_which_no_timer_exists_is_refused(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", "--accounts", "accounts.toml", "--watch", "--interval", interval]) == 2
    assert f"Invalid value for '--interval': {interval!r} is" in capsys.readouterr().err
