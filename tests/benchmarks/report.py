"""From what was measured to a page of Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Entry", "page"]

_HEAD = """# Benchmarks

Measured on {date} by `nox -s bench`, with Python {python} on {machine}, {cores} cores.

Releases: {versions}.

Each contender makes the same call: a GET of a balance over a connection that is kept, from bytes to a checked object.
Each runs in a process and an environment of its own; they take turns round by round, in an order that rotates, so what
disturbs the machine disturbs all. Client and server have a core each. The server writes ready bytes; the tables say how
much of the time it was busy. A ratio is what triverse takes, divided by what the contender takes: less is better. It is
made of 20th percentiles, which noise moves least; medians stand beside them. What a goal does not hold is said so.

Over TLS, all trust the authorities of certifi and one more. httpx on asyncio is faster where sniffio is installed, for
which it looks but does not ask: so there is a contender that has it.
"""


@dataclass(frozen=True)
class Entry:
    """What came of one kind of work. `figures` are per contender, the first of which is triverse."""

    title: str
    measure: str
    unit: str
    figures: dict[str, dict[str, float]]
    goals: dict[str, float]
    failed: dict[str, float]
    busy: float

    def ratio(self, name: str, measure: str) -> float:
        """What triverse takes, as a part of what the contender takes."""
        own = next(iter(self.figures.values()))
        return own[f"{measure} p20"] / self.figures[name][f"{measure} p20"]

    def ratios(self) -> dict[str, float]:
        """By contender."""
        return {name: round(self.ratio(name, self.measure), 3) for name in self.figures}


def page(entries: Sequence[Entry], versions: str) -> str:
    """The whole page."""
    head = _HEAD.format(
        date=datetime.now(UTC).date().isoformat(),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count(),
        versions=versions,
    )
    return head + "".join("\n" + "\n".join(_table(entry)) + "\n" for entry in entries)


def _table(entry: Entry) -> Iterator[str]:
    measures = list(dict.fromkeys(key.split()[0] for key in next(iter(entry.figures.values()))))
    yield f"## {entry.title[0].upper()}{entry.title[1:]}"
    yield ""
    columns = [f"{what} {name}, {entry.unit}" for what in measures for name in ("p20", "median")]
    head = ["contender", *columns, *[f"ratio, {what}" for what in measures], "goal", "met", "failed"]
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for name, figures in entry.figures.items():
        ratios = [entry.ratio(name, what) for what in measures]
        numbers = [_number(figures[f"{what} {pick}"]) for what in measures for pick in ("p20", "median")]
        row = [name, *numbers, *[f"{ratio:.3f}" for ratio in ratios], *_verdict(entry, name)]
        yield "| " + " | ".join([*row, f"{entry.failed.get(name, 0):.0f}"]) + " |"
    if entry.busy:
        yield ""
        yield f"The server was busy {entry.busy:.0%} of the time."


def _verdict(entry: Entry, name: str) -> tuple[str, str]:
    goal = entry.goals.get(name)
    if goal is None:
        return "", ""
    return f"≤ {goal:.3g} ({entry.measure})", "yes" if entry.ratio(name, entry.measure) <= goal else "**no**"


def _number(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
