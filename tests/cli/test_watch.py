from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import StringIO

import pytest
from rich.console import Console
from support.clients import KEY
from support.server import Peer, Received, Responder, Server, answer, envelope, serving
from support.shell import start
from support.terminal import Terminal

from triverse import UserBalance
from triverse.cli import main
from triverse.cli.balance_history import Story
from triverse.cli.chart import line_chart

REVOKED = answer({"code": 1001, "message": "The key was revoked", "suggestion": "Make a new one."}, 401)
DOWN = answer({"code": 5003, "message": "Down for maintenance"}, 503, {"Retry-After": "0"})


def credits_of(available: float, frozen: float = 0.0) -> bytes:
    return answer(envelope({"balance": available, "frozen": frozen}))


def in_turn(*answers: bytes) -> Responder:
    """Each answer once; the last one for ever."""
    left = list(answers)

    def respond(_: Received) -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    return respond


@contextmanager
def watching(respond: Responder, *arguments: str, columns: int = 80, rows: int = 24, **env: str) -> Generator[Terminal]:
    command = ["balance", "--watch", "--interval", "0.1", *arguments]
    with (
        serving(respond) as server,
        Terminal(*command, columns=columns, rows=rows, TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url, **env) as it,
    ):
        yield it


def test_the_view_shows_the_balance_and_each_change_until_q() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1174.5, 25.5))) as terminal:
        terminal.see("1200")
        screen = terminal.see("-25.5")
        assert "+25.5" in screen
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_clean()
        assert terminal.lines[-3:] == ["available  1174.5", "frozen     25.5", "total      1200"]
        assert KEY not in terminal.said


def test_the_view_can_be_left_before_there_is_a_balance() -> None:
    def hang(peer: Peer) -> None:
        peer.request()
        peer.pause()

    with (
        Server(hang) as server,
        Terminal("balance", "--watch", TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url) as terminal,
    ):
        terminal.see("asking")
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_clean()


def test_the_view_of_the_sandbox_moves_since_tasks_come_and_go_there() -> None:
    with Terminal("balance", "--watch", "--sandbox", "--interval", "0.1") as terminal:
        frame = terminal.see("1200")
        assert re.search(r"frozen +[1-9]", frame)
        terminal.until(lambda new: re.search(r"available +\d+ +-[1-9]", new) is not None)
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_clean()


def test_the_sandbox_moves_in_a_pipe_too() -> None:
    watching = start("balance", "--watch", "--sandbox", "--interval", "0.1", "--json")
    assert watching.stdout is not None
    before, after = (json.loads(watching.stdout.readline()) for _ in range(2))
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=120)[1] == b""
    assert watching.returncode == 130
    assert (before["balance"], before["frozen"]) != (after["balance"], after["frozen"])


def test_other_keys_do_nothing_and_are_not_seen() -> None:
    with watching(in_turn(credits_of(1200))) as terminal:
        terminal.see("1200")
        terminal.press("xx")
        terminal.see("1200")
        terminal.press("Q")
        assert terminal.ended() == 0
        assert "x" not in "".join(terminal.lines)


def press_ctrl_c(terminal: Terminal) -> None:
    terminal.press("\x03")


def terminate(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(("end", "status"), [(press_ctrl_c, 130), (terminate, 143)])
def test_it_leaves_the_terminal_clean_and_is_quiet(end: Callable[[Terminal], None], status: int) -> None:
    with watching(in_turn(credits_of(1200))) as terminal:
        terminal.see("1200")
        end(terminal)
        assert terminal.ended() == status
        assert terminal.is_clean()
        assert "Traceback" not in terminal.said


def test_the_last_error_is_shown() -> None:
    with watching(in_turn(credits_of(1200), *[DOWN] * 3, credits_of(1200))) as terminal:
        terminal.see("last error: none")
        terminal.see("Down for maintenance")
        terminal.press("q")
        assert terminal.ended() == 0


def test_an_error_that_will_not_pass_ends_it_in_one_line() -> None:
    with watching(in_turn(credits_of(1200), REVOKED)) as terminal:
        assert terminal.ended() == 1
        assert terminal.is_clean()
        assert terminal.lines[-1] == "triverse: The key was revoked (HTTP 401, code 1001). Make a new one."


def test_it_follows_the_size_of_the_terminal() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1100)), columns=40) as terminal:
        frame = terminal.see("available, 1100 to 1200, last 1 min")
        assert max(map(len, frame.splitlines())) <= 40
        terminal.resize(30, 8)
        terminal.until(lambda new: "last error: none" in new.rpartition("total")[2] and "last 1 min" not in last(new))
        terminal.press("q")
        assert terminal.ended() == 0


def last(frames: str) -> str:
    return frames.rpartition("Triverse credits")[2]


def test_no_color_is_respected() -> None:
    with watching(in_turn(credits_of(1200)), NO_COLOR="1") as terminal:
        terminal.see("last 1 min")
        terminal.press("q")
        assert terminal.ended() == 0
        assert "\x1b[36m" not in terminal.said
    with watching(in_turn(credits_of(1200))) as terminal:
        terminal.see("last 1 min")
        assert "\x1b[36m" in terminal.said


def test_a_terminal_without_unicode_gets_asterisks() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1000)), PYTHONIOENCODING="ascii") as terminal:
        terminal.see("asking ...")
        terminal.see("*")
        assert terminal.said.isascii()


def test_a_dumb_terminal_gets_plain_lines() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1000)), TERM="dumb") as terminal:
        terminal.see("available 1200  frozen 0")
        terminal.see("available 1000  frozen 0")
        terminal.press("\x03")
        assert terminal.ended() == 130
        assert "\x1b" not in terminal.said


@pytest.fixture
def to_a_pipe(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A service whose balance changes once, that fails once in between, and that then revokes the key."""
    respond = in_turn(credits_of(1200), *[DOWN] * 3, credits_of(1174.5, 25.5), REVOKED)
    with serving(respond) as server:
        monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        yield


@pytest.mark.usefixtures("to_a_pipe")
def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", "--watch", "--interval", "0.1"]) == 1
    out, error = capsys.readouterr()
    lines = [line.partition("Z  ")[2] for line in out.splitlines()]
    assert lines == ["available 1200  frozen 0", "available 1174.5  frozen 25.5"]
    assert [line.partition(" (")[0] for line in error.splitlines()] == [
        "triverse: Down for maintenance",
        "triverse: The key was revoked",
    ]


@pytest.mark.usefixtures("to_a_pipe")
def test_json_is_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", "--watch", "--interval", "0.1", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["balance"], line["frozen"]) for line in lines] == [(1200, 0), (1174.5, 25.5)]
    assert all(line["time"].endswith("Z") for line in lines)


def test_a_long_watch_forgets_the_middle_but_not_the_start() -> None:
    story = Story()
    for available in range(5000):
        story.add(UserBalance(float(available), 0.0))
    assert len(story.samples) <= 2000
    assert (story.samples[0][1].balance, story.samples[-1][1].balance) == (0.0, 4999.0)


def test_a_chart_is_a_line_from_left_to_right() -> None:
    assert line_chart([0, 1, 2, 3, 4, 5, 6, 7], 2) == ["  ⣠⠞", "⣠⠞⠁ "]
    assert line_chart([7, 0], 2) == ["⢹", "⢸"]


def test_a_chart_has_gaps_where_nothing_is_known_and_a_middle_line_where_nothing_moves() -> None:
    assert line_chart([None, None, 0, 3], 1) == [" ⣸"]
    assert line_chart([None] * 4, 2) == ["  ", "  "]
    assert line_chart([1, 1, 1, 1], 1) == ["⠤⠤"]


def test_a_terminal_that_is_too_low_for_a_chart_still_shows_the_numbers() -> None:
    story = Story()
    for available in range(10):
        story.add(UserBalance(float(available), 0.0))
    console = Console(height=5, width=60, file=StringIO(), legacy_windows=False)
    console.print(story)
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert "available" in shown
    assert len(shown.splitlines()) < 12
