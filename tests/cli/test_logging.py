"""`TRIVERSE_LOG` shows the attempts of any program."""

from __future__ import annotations

import logging

import pytest
from support.server import BALANCE, answer, envelope, serving
from support.shell import run, run_program

from triverse._logging import configure_logging

PROGRAM = "from triverse import Triverse\nwith Triverse() as client: client.users.balance()"
KEY = "tv-key-for-tests-0123456789"


def log_of(level: str) -> str:
    answers = [answer({"code": 5003, "message": "down"}, 503, {"Retry-After": "0"}), answer(envelope(BALANCE))]
    with serving(lambda _: answers.pop(0)) as server:
        ran = run_program(PROGRAM, TRIVERSE_LOG=level, TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url)
    assert ran.returncode == 0
    assert KEY not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("level", ["debug", "DEBUG "])
def test_debug_shows_the_attempts_of_a_program_without_a_line_of_code(level: str) -> None:
    log = log_of(level)
    assert "/users/balance: HTTP 503" in log
    assert "/users/balance: HTTP 200" in log


def test_warning_shows_retries_alone() -> None:
    log = log_of("warning")
    assert "/users/balance: attempt 1" in log
    assert "debug" not in log


def test_a_level_that_does_not_exist_is_a_warning() -> None:
    assert "TRIVERSE_LOG=loud is no log level: use debug, info, warning, error" in log_of("loud")


def test_a_record_is_shown_once_with_both_the_variable_and_the_option() -> None:
    with serving(lambda _: answer(envelope(BALANCE))) as server:
        shown = run("balance", "--debug", TRIVERSE_LOG="debug", TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url)
    assert shown.stderr.count("HTTP 200") == 1


def test_a_closed_standard_error_does_not_break_the_program() -> None:
    with serving(lambda _: answer(envelope(BALANCE))) as server:
        program = f"import sys\nsys.stderr.close()\n{PROGRAM}\nprint('done')"
        ran = run_program(program, TRIVERSE_LOG="debug", TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url)
    assert ran.stdout == "done\n"


def test_an_empty_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVERSE_LOG", "")
    handlers = list(logging.getLogger("triverse").handlers)
    configure_logging()
    assert logging.getLogger("triverse").handlers == handlers
