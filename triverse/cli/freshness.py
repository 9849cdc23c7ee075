"""How old the numbers of a live view are, and the error that keeps them from being newer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from attrs import define, field
from rich.console import Console
from rich.text import Text

from triverse.cli.output import printable
from triverse.core.errors import TriverseError

__all__ = ["Freshness", "event_lines", "screen_lines", "title_line"]

# Numbers are stale after this many intervals without a response.
_STALE_INTERVALS = 3.0
_LEAST_SECONDS = 2.0


def title_line(title: str, about: str) -> Text:
    """The first line of a view: one line however narrow the terminal is."""
    parts = (f"{title}  ", "bold"), (f"{printable(about)}  ", "dim"), ("q ends", "dim")
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def event_lines(events: Sequence[str]) -> Iterator[Text]:
    """An empty line, and what happened; nothing if nothing did."""
    if events:
        yield Text()
        yield from (Text(event, no_wrap=True, overflow="ellipsis") for event in events)


def screen_lines(texts: Iterable[Text], console: Console, width: int) -> int:
    """How many lines of the screen the texts take. A long error is wrapped."""
    return sum(len(text.wrap(console, width)) for text in texts)


@define
class Freshness:
    """When the last response came, on the monotonic clock, and the error since then.

    Attributes:
        interval: seconds between two requests.
    """

    interval: float
    _updated: float | None = None
    _error: str | None = None
    _started: float = field(factory=time.monotonic)

    def succeeded(self) -> None:
        """A response came: the numbers are new, and an earlier error is over."""
        self._updated, self._error = time.monotonic(), None

    def failed(self, error: TriverseError) -> None:
        """A request failed. The numbers stay, and are shown as stale."""
        self._error = f"{time.strftime('%H:%M:%S')} {printable(error)}"

    @property
    def stale(self) -> bool:
        """Whether the numbers may no longer be true."""
        return self._error is not None or self._age() > max(_LEAST_SECONDS, _STALE_INTERVALS * self.interval)

    def _age(self) -> float:
        return time.monotonic() - (self._started if self._updated is None else self._updated)

    def lines(self) -> list[Text]:
        """How old the numbers are, and the error if there is one."""
        if self._updated is None:
            age = Text(f"waiting for the first response, {self._age():.0f} s", "dim")
        elif self.stale:
            age = Text(f"STALE: updated {self._age():.0f} s ago", "yellow")
        else:
            age = Text(f"updated {self._age():.0f} s ago", "dim")
        return [age] if self._error is None else [age, Text(f"error: {self._error}", "red")]
