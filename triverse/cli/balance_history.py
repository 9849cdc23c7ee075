"""What `triverse balance --watch` has seen so far, and how it looks."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator

from attrs import Factory, define
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from triverse import TriverseError, UserBalance
from triverse.cli.chart import line_chart
from triverse.cli.exit_codes import printable
from triverse.cli.output import credits_text

__all__ = ["Story"]

# The chart shows at least and at most so many seconds.
_SHORTEST, _LONGEST = 60.0, 600.0
_ROOM_FOR_THE_REST = 11
_TALLEST = 8
_MOST_SAMPLES = 2000


@define
class Story:
    """The balances and the last error, with when they came on the monotonic clock. It draws itself."""

    samples: list[tuple[float, UserBalance]] = Factory(list[tuple[float, UserBalance]])
    last_error: str | None = None

    def add(self, balance: UserBalance) -> None:
        """This is the balance from now on."""
        self.samples.append((time.monotonic(), balance))
        if len(self.samples) > _MOST_SAMPLES:
            # The first stays: it is what changes are counted from.
            del self.samples[1 : _MOST_SAMPLES // 2]

    def note(self, error: TriverseError) -> None:
        """A look at the balance failed."""
        self.last_error = f"{time.strftime('%H:%M:%S')} {printable(error)}"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("Triverse credits", "bold") + Text("   q ends", "dim")
        yield Text()
        if self.samples:
            yield from self._numbers()
            yield Text()
            rows = min(_TALLEST, console.height - _ROOM_FOR_THE_REST)
            if rows > 1:
                yield from self._chart(options.max_width, rows, options.encoding.startswith("utf"))
                yield Text()
        else:
            yield Text("asking …" if options.encoding.startswith("utf") else "asking ...")
        yield Text(f"last error: {self.last_error or 'none'}", "red" if self.last_error else "dim")

    def _numbers(self) -> Iterator[Text]:
        first, now = self.samples[0][1], self.samples[-1][1]
        yield Text(f"{'':9} {'now':>12} {'since start':>13}", "dim", no_wrap=True)
        change = now.change_since(first)
        for name, value, delta in (
            ("available", now.balance, change.balance_delta),
            ("frozen", now.frozen, change.frozen_delta),
            ("total", now.total, change.total_delta),
        ):
            amount = Text(f" {credits_text(value):>12}", "bold" if name == "available" else "")
            yield Text(f"{name:9}", no_wrap=True) + amount + Text(f" {_signed(delta):>13}")

    def _chart(self, width: int, rows: int, braille: bool) -> Iterator[Text]:  # noqa: FBT001 - of one caller
        until = time.monotonic()
        seconds = min(_LONGEST, max(_SHORTEST, until - self.samples[0][0]))
        columns = max(2, width - 1) * 2
        values = [self._available_at(until - seconds * (1 - (x + 1) / columns)) for x in range(columns)]
        known = [value for value in values if value is not None]
        scale = f"available, {credits_text(min(known))} to {credits_text(max(known))}, last {seconds / 60:.0f} min"
        yield Text(scale, "dim", no_wrap=True, overflow="ellipsis")
        yield from (Text(line, "cyan", no_wrap=True) for line in line_chart(values, rows, braille=braille))

    def _available_at(self, moment: float) -> float | None:
        """What was available then; None before the first look."""
        index = bisect_right(self.samples, moment, key=lambda sample: sample[0])
        return self.samples[index - 1][1].balance if index else None


def _signed(change: float) -> str:
    return f"+{credits_text(change)}" if change > 0 else credits_text(change)
