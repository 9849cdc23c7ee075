"""The balances that `triverse balance --watch` has seen, and how they are drawn."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from attrs import define, field
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from triverse import BalanceChange, UserBalance
from triverse.cli.chart import chart_with_scale
from triverse.cli.freshness import Freshness, event_lines, screen_lines, title_line
from triverse.cli.output import credits_text

__all__ = ["BalanceHistory", "describe_change"]

# The chart shows at least and at most this many seconds.
_SHORTEST, _LONGEST = 60.0, 600.0
_MAX_SAMPLES: Final = 2000
_MAX_EVENTS: Final = 50
# Lines of the screen besides age, error, chart and events: title, numbers, axis and the empty lines between them.
_OTHER_LINES: Final = 10
_LEAST_CHART: Final = 3
_SHOWN_EVENTS: Final = 4


@define
class BalanceHistory:
    """The balances with their times on the monotonic clock, and what happened between them.

    Attributes:
        freshness: how old the last balance is.
        account: whose credits these are.
        below: the threshold of `--below`; None for none.
        samples: the balances.
        events: what happened, with the time of day.
    """

    freshness: Freshness
    account: str = ""
    below: float | None = None
    samples: list[tuple[float, UserBalance]] = field(factory=list[tuple[float, UserBalance]])
    events: list[str] = field(factory=list[str])

    def add(self, balance: UserBalance) -> None:
        """Append a balance, and what happened since the one before."""
        self.freshness.succeeded()
        if self.samples:
            happened = describe_change(balance.change_since(self.samples[-1][1]))
            if happened:
                self.events.append(f"{time.strftime('%H:%M:%S')}  {happened}")
                del self.events[:-_MAX_EVENTS]
        self.samples.append((time.monotonic(), balance))
        if len(self.samples) > _MAX_SAMPLES:
            # The first stays, since changes are counted from it.
            del self.samples[1 : _MAX_SAMPLES // 2]

    def is_below(self) -> bool:
        """Whether the last balance is below the threshold."""
        return self.below is not None and bool(self.samples) and not self.samples[-1][1].covers(self.below)

    def has_frozen(self) -> bool:
        """Whether tasks hold credits, so that a change is near."""
        return bool(self.samples) and self.samples[-1][1].frozen > 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield title_line("Triverse credits", self.account)
        state = self.freshness.lines()
        yield from state
        if not self.samples:
            return
        yield Text()
        yield from self._numbers()
        left = console.height - _OTHER_LINES - screen_lines(state, console, options.max_width)
        events = self.events[-min(_SHOWN_EVENTS, max(0, left - _LEAST_CHART)) :] if left > 0 else []
        yield from event_lines(events)
        left -= len(events) + bool(events)
        if left >= _LEAST_CHART:
            yield Text()
            yield from self._chart(options.max_width, left, options.encoding.startswith("utf"))

    def _numbers(self) -> Iterator[Text]:
        first, now = self.samples[0][1], self.samples[-1][1]
        yield Text(f"{'':9} {'now':>12} {'since start':>13}", "dim", no_wrap=True, overflow="crop")
        change = now.change_since(first)
        for name, value, delta in (
            ("available", now.balance, change.balance_delta),
            ("frozen", now.frozen, change.frozen_delta),
            ("total", now.total, change.total_delta),
        ):
            style = self._style(name)
            mark = "  below " + credits_text(self.below or 0.0) if name == "available" and self.is_below() else ""
            line = f"{name:9} {credits_text(value):>12} {_signed(delta):>13}{mark}"
            yield Text(line, style, no_wrap=True, overflow="crop")

    def _style(self, name: str) -> str:
        if self.freshness.stale:
            return "dim"
        if name != "available":
            return ""
        return "bold red" if self.is_below() else "bold"

    def _chart(self, width: int, rows: int, braille: bool) -> Iterator[Text]:  # noqa: FBT001 - of one caller
        until = time.monotonic()
        seconds = min(_LONGEST, max(_SHORTEST, until - self.samples[0][0]))
        known = [balance.balance for at, balance in self.samples if at >= until - seconds] or [
            self.samples[-1][1].balance
        ]
        labels = credits_text(max(known)), credits_text(min(known))
        columns = max(2, width - max(map(len, labels)) - 3) * 2
        values = [self._available_at(until - seconds * (1 - (x + 1) / columns)) for x in range(columns)]
        ends = f"{seconds / 60:.0f} min ago", "now"
        style = "dim" if self.freshness.stale else "cyan"
        for line in chart_with_scale(values, rows, labels, ends, braille=braille):
            yield Text(line, style, no_wrap=True)

    def _available_at(self, moment: float) -> float | None:
        """The credits that were available then; None before the first response."""
        index = bisect_right(self.samples, moment, key=lambda sample: sample[0])
        return self.samples[index - 1][1].balance if index else None


def describe_change(change: BalanceChange) -> str:
    """What happened between two balances, such as "froze 20, deducted 30"; empty for nothing."""
    amounts = {
        "topped up": change.topped_up,
        "froze": change.frozen,
        "deducted": change.deducted,
        "released": change.released,
    }
    return ", ".join(f"{verb} {credits_text(amount)}" for verb, amount in amounts.items() if amount)


def _signed(change: float) -> str:
    return f"+{credits_text(change)}" if change > 0 else credits_text(change)
