"""A line chart made of characters: each cell of Braille is two dots wide and four high."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["line_chart"]

_BLANK: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_WIDE, _HIGH = 2, 4


def line_chart(values: Sequence[float | None], height: int, *, braille: bool = True) -> list[str]:
    """The values from left to right, the highest at the top: so many lines, two values a character.

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
    known = [value for value in values if value is not None]
    if not known:
        return [None] * len(values)
    high, spread = max(known), max(known) - min(known)
    if not spread:
        return [None if value is None else height // 2 for value in values]
    return [None if value is None else round((high - value) / spread * (height - 1)) for value in values]
