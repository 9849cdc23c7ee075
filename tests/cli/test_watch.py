from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from support.clients import KEY
from support.server import ME, Peer, Received, Responder, Server, answer, envelope, serving
from support.shell import start
from support.terminal import Terminal, last_frame

from triverse.cli import main
from triverse.sandbox import Fault, Sandbox

REVOKED = answer({"code": 1001, "message": "The key was revoked", "suggestion": "Make a new one."}, 401)
DOWN = answer({"code": 5003, "message": "Down for maintenance"}, 503, {"Retry-After": "0"})


def credits_of(available: float, frozen: float = 0.0) -> bytes:
    return answer(envelope({"balance": available, "frozen": frozen}))


def in_turn(*answers: bytes) -> Responder:
    """Give each answer to `GET /users/balance` once, and repeat the last one."""
    left = list(answers)

    def respond(received: Received) -> bytes:
        if received.path.endswith("/users/me"):
            return answer(envelope(ME))
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
        assert "+25.5" in last_frame(terminal.until(lambda new: "-25.5" in last_frame(new)))
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_clean()
        assert terminal.lines[-3:] == ["available  1174.5", "frozen     25.5", "total      1200"]
        assert KEY not in terminal.output


def test_the_view_can_be_left_before_there_is_a_balance() -> None:
    def hang(peer: Peer) -> None:
        peer.request()
        peer.pause()

    with (
        Server(hang) as server,
        Terminal("balance", "--watch", TRIVERSE_API_KEY=KEY, TRIVERSE_BASE_URL=server.url) as terminal,
    ):
        terminal.see("waiting for the first response")
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_clean()


def test_the_view_of_the_sandbox_moves_since_tasks_come_and_go_there() -> None:
    with Terminal("balance", "--watch", "--sandbox", "--interval", "0.1") as terminal:
        terminal.until(lambda new: re.search(r"frozen +[1-9]", last_frame(new)) is not None)
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
        terminal.press("jj")
        terminal.forget()
        terminal.see("1200")
        terminal.press("Q")
        assert terminal.ended() == 0
        assert "j" not in "".join(terminal.lines)


def terminate(terminal: Terminal) -> int:
    terminal.process.send_signal(signal.SIGTERM)
    return terminal.ended()


@pytest.mark.parametrize(("end", "status"), [(Terminal.interrupt, 130), (terminate, 143)])
def test_it_leaves_the_terminal_clean_and_is_quiet(end: Callable[[Terminal], int], status: int) -> None:
    with watching(in_turn(credits_of(1200))) as terminal:
        terminal.see("1200")
        assert end(terminal) == status
        assert terminal.is_clean()
        assert "Traceback" not in terminal.output


def test_an_error_makes_the_numbers_stale_and_goes_away_when_it_is_over() -> None:
    current = [credits_of(1200)]

    def respond(received: Received) -> bytes:
        return in_turn(*current)(received)

    with watching(respond) as terminal:
        terminal.until(lambda new: "1200" in last_frame(new) and "updated" in last_frame(new))
        current[:] = [DOWN]
        terminal.until(lambda new: "STALE: updated" in last_frame(new) and "Down for maintenance" in last_frame(new))
        current[:] = [credits_of(1100)]
        terminal.until(lambda new: "1100" in last_frame(new) and not re.search("error|STALE", last_frame(new)))
        terminal.press("q")
        assert terminal.ended() == 0


def test_an_error_that_does_not_go_away_ends_it_in_one_line() -> None:
    with watching(in_turn(credits_of(1200), REVOKED)) as terminal:
        assert terminal.ended() == 1
        assert terminal.is_clean()
        assert "/users/balance: HTTP 401, code 1001)" in terminal.lines[-1]


def test_the_view_names_the_account_and_the_host() -> None:
    with watching(in_turn(credits_of(1200))) as terminal:
        terminal.see(f"{ME['email']} at 127.0.0.1:")
        terminal.press("q")
        assert terminal.ended() == 0


def test_the_view_shows_what_happened() -> None:
    balances = [credits_of(1200), credits_of(1180, 20), credits_of(1180), credits_of(1680), credits_of(1640, 40)]
    with watching(in_turn(*balances, credits_of(1680))) as terminal:
        frame = last_frame(terminal.until(lambda new: "released 40" in last_frame(new)))
        for event in ("deducted 20", "topped up 500", "froze 40"):
            assert event in frame
        terminal.press("q")
        assert terminal.ended() == 0


def test_the_view_marks_a_balance_below_the_threshold() -> None:
    with watching(in_turn(credits_of(1200), credits_of(90)), "--below", "100") as terminal:
        terminal.see("below 100")
        terminal.press("q")
        assert terminal.ended() == 3


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_the_chart_has_a_scale_and_uses_the_height(columns: int, rows: int) -> None:
    with watching(in_turn(credits_of(1200), credits_of(1100)), columns=columns, rows=rows) as terminal:
        frame = last_frame(terminal.until(lambda new: "1100 ┤" in last_frame(new)))
        terminal.press("q")
        assert terminal.ended() == 0
    assert "1200 ┤" in frame
    assert frame.count("│") + frame.count("┤") >= rows - 13
    assert len(frame.splitlines()) <= rows + 1
    assert max(len(line.rstrip()) for line in frame.splitlines()) <= columns


def test_it_follows_the_size_of_the_terminal() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1100)), columns=40) as terminal:
        frame = last_frame(terminal.until(lambda new: "1100 ┤" in last_frame(new)))
        assert max(map(len, frame.splitlines())) <= 40
        terminal.resize(30, 8)
        terminal.until(lambda new: "total" in last_frame(new) and "┤" not in last_frame(new))
        terminal.press("q")
        assert terminal.ended() == 0


def test_no_color_is_respected() -> None:
    with watching(in_turn(credits_of(1200)), NO_COLOR="1") as terminal:
        terminal.see("1 min ago")
        terminal.press("q")
        assert terminal.ended() == 0
        assert "\x1b[36m" not in terminal.output
    with watching(in_turn(credits_of(1200))) as terminal:
        terminal.see("1 min ago")
        assert "\x1b[36m" in terminal.output


def test_a_terminal_without_unicode_gets_asterisks() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1000)), PYTHONIOENCODING="ascii") as terminal:
        terminal.see("*")
        assert terminal.output.isascii()


def test_a_dumb_terminal_gets_plain_lines() -> None:
    with watching(in_turn(credits_of(1200), credits_of(1000)), TERM="dumb") as terminal:
        terminal.see("available 1200  frozen 0")
        terminal.see("available 1000  frozen 0")
        assert terminal.interrupt() == 130
        assert "\x1b" not in terminal.output


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
    out, error = capsys.readouterr()
    *lines, end = [json.loads(line) for line in out.splitlines()]
    assert [(line["balance"], line["frozen"]) for line in lines] == [(1200, 0), (1174.5, 25.5)]
    assert all(line["time"].endswith("Z") for line in lines)
    assert (end["error"]["type"], end["error"]["exit_status"]) == ("AuthenticationError", 1)
    assert ["Down for maintenance" in json.loads(line)["error"] for line in error.splitlines()] == [True]


def test_a_broken_connection_is_shown_and_tried_again() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault.reset(), match="/users/balance")
    with (
        sandbox.serve() as url,
        Terminal(
            "balance", "--watch", "--interval", "0.1", TRIVERSE_API_KEY=sandbox.demo.key, TRIVERSE_BASE_URL=url
        ) as terminal,
    ):
        terminal.see("error: ")
        sandbox.faults.clear()
        terminal.see("1200")
        terminal.press("q")
        assert terminal.ended() == 0
