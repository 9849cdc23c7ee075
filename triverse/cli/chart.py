"""A line chart made of characters, with a scale at its left. Each cell of Braille is two dots wide and four high."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["chart_with_scale", "line_chart"]

_BLANK: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_WIDE, _HIGH = 2, 4


def chart_with_scale(
    values: Sequence[float | None], rows: int, labels: tuple[str, str], ends: tuple[str, str], *, braille: bool = True
) -> list[str]:
    """A chart with its scale: `rows` lines of it, then the horizontal axis and the line below it.

    Args:
        values: two for each column; None leaves a gap.
        rows: how many lines the chart itself has.
        labels: text beside the highest and the lowest value. If they are equal, only the first is shown.
        ends: text below the left and the right end.
        braille: whether the terminal can show Braille and box-drawing characters.
    """
    tick, side, corner, line = "┤│└─" if braille else "+|+-"
    chart = line_chart(values, rows, braille=braille)
    margin, width = max(map(len, labels)), len(chart[0])
    # A line without ups and downs is in the middle.
    beside = {0: labels[0], rows - 1: labels[1]} if _spread(values) else {rows // 2: labels[0]}
    lines = [
        f"{beside.get(row, ''):>{margin}} {tick if row in beside else side}{text}" for row, text in enumerate(chart)
    ]
    left, right = ends
    below = f"{left}{right:>{max(0, width - len(left))}}"
    return [*lines, f"{'':{margin}} {corner}{line * width}", f"{'':{margin}}  {below}"]


def line_chart(values: Sequence[float | None], height: int, *, braille: bool = True) -> list[str]:
    """Return the lines of the chart, the highest value at the top. Each character shows two values, oldest first.

    Args:
        values: None leaves a gap.
        height: lines.
        braille: whether the terminal can show Braille; else it is drawn with asterisks.
    """
    cells = [[_BLANK] * ((len(values) + 1) // _WIDE) for _ in range(height)]
    for x, y in _dots(values, height * _HIGH):
        cells[y // _HIGH][x // _WIDE] |= _DOTS[x % _WIDE][y % _HIGH]
    return ["".join(_character(cell, braille=braille) for cell in line) for line in cells]


def _character(cell: int, *, braille: bool) -> str:
    if cell == _BLANK:
        return " "
    return chr(cell) if braille else "*"


def _dots(values: Sequence[float | None], height: int) -> Iterator[tuple[int, int]]:
    """Where dots are: at each value, and between it and the one before, so that a jump is a line."""
    previous: int | None = None
    levels = _levels(values, height)
    for x, level in enumerate(levels):
        if level is not None:
            start = level if previous is None else previous
            yield from ((x, y) for y in range(min(start, level), max(start, level) + 1))
        previous = level


def _levels(values: Sequence[float | None], height: int) -> list[int | None]:
    """How far below the top each value is."""
    spread = _spread(values)
    if not spread:
        return [None if value is None else height // 2 for value in values]
    high = max(value for value in values if value is not None)
    return [None if value is None else round((high - value) / spread * (height - 1)) for value in values]


def _spread(values: Sequence[float | None]) -> float:
    """The difference between the highest and the lowest value."""
    known = [value for value in values if value is not None]
    return max(known) - min(known) if known else 0.0
