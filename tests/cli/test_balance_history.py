"""What the view of `triverse balance --watch` draws, without a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType

from triverse import ConnectionFailedError, UserBalance
from triverse.cli.balance_history import BalanceHistory
from triverse.cli.chart import line_chart
from triverse.cli.freshness import Freshness


def printed(view: RenderableType, columns: int, rows: int) -> list[str]:
    screen = StringIO()
    Console(height=rows, width=columns, file=screen, legacy_windows=False).print(view)
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_a_long_error_leaves_room_for_the_whole_chart() -> None:
    history = BalanceHistory(Freshness(5.0))
    history.add(UserBalance(1200.0, 0.0))
    history.freshness.failed(ConnectionFailedError("could not connect " * 12, cause=None))
    frame = printed(history, columns=80, rows=24)
    assert len(frame) <= 24
    assert frame[-1].split() == ["1", "min", "ago", "now"]
    assert [line.split()[0] for line in frame if "┤" in line] == ["1200"]


def test_a_long_watch_forgets_the_middle_but_not_the_start() -> None:
    history = BalanceHistory(Freshness(5.0))
    for available in range(5000):
        history.add(UserBalance(float(available), 0.0))
    assert len(history.samples) <= 2000
    assert (history.samples[0][1].balance, history.samples[-1][1].balance) == (0.0, 4999.0)


def test_a_chart_is_a_line_from_left_to_right() -> None:
    assert line_chart([0, 1, 2, 3, 4, 5, 6, 7], 2) == ["  ⣠⠞", "⣠⠞⠁ "]
    assert line_chart([7, 0], 2) == ["⢹", "⢸"]


def test_a_chart_has_gaps_for_unknown_values_and_a_middle_line_if_all_are_equal() -> None:
    assert line_chart([None, None, 0, 3], 1) == [" ⣸"]
    assert line_chart([None] * 4, 2) == ["  ", "  "]
    assert line_chart([1, 1, 1, 1], 1) == ["⠤⠤"]


def test_a_terminal_that_is_too_low_for_a_chart_still_shows_the_numbers() -> None:
    history = BalanceHistory(Freshness(5.0))
    for available in range(10):
        history.add(UserBalance(float(available), 0.0))
    shown = printed(history, columns=60, rows=5)
    assert any("available" in line for line in shown)
    assert len(shown) < 12
