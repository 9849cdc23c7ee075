"""Turn measurements into a page of Markdown and a chart."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

__all__ = ["Entry", "chart", "page", "tables"]

_SYNC: Final = "sync, one after another"
_ASYNC: Final = "async, one after another"
_AT_ONCE: Final = "async, 200 in flight, server takes 20 ms"
# The contenders of the chart that most readers know. The tables have all of them.
_CHARTED: Final = {
    _SYNC: ("triverse", "httpx", "requests", "openai"),
    _ASYNC: ("triverse", "httpx", "aiohttp", "openai"),
}

_HEAD = """# Benchmarks

A sync call takes {sync:.0%} of the time of the same call in bare httpx, and an async call {asynchronous:.0%}. With
200 calls in flight, the async client makes {throughput:.1f} times as many calls per second as httpx. Of {goals} goals,
{met} are met; each goal that is not met is marked in the tables below.

--8<-- "assets/benchmarks.svg"

Measured on {date} by `nox -s bench`, with Python {python} on {machine}, {cores} cores.

<details markdown>
<summary>How it is measured</summary>

Each contender makes the same call: a GET of a balance over an open connection, from bytes to a checked object. Each
runs in a process and an environment of its own. They take turns, round by round, in an order that rotates, so that a
disturbance of the machine affects all of them. Client and server have a core each. The server sends prepared bytes; the
tables give the share of the time for which it was busy.

A ratio is the time of triverse divided by that of the contender, so less is better. It is made of the 20th
percentiles, which vary least; the medians are beside them.

Over TLS, all contenders trust the authorities of certifi and one more. httpx on asyncio is faster if sniffio is
installed, which is not one of its dependencies; one contender has it.

Releases: {versions}.

</details>
"""


@dataclass(frozen=True)
class Entry:
    """The measurements of one kind of work. `figures` has an entry per contender, triverse first."""

    title: str
    measure: str
    unit: str
    figures: dict[str, dict[str, float]]
    goals: dict[str, float]
    failed: dict[str, float]
    busy: float

    def ratio(self, name: str, measure: str) -> float:
        """Return the figure of triverse divided by that of the contender."""
        own = next(iter(self.figures.values()))
        return own[f"{measure} p20"] / self.figures[name][f"{measure} p20"]

    def ratios(self) -> dict[str, float]:
        """Return the ratio of each contender."""
        return {name: round(self.ratio(name, self.measure), 3) for name in self.figures}

    def met(self) -> list[bool]:
        """Return whether each goal is met."""
        return [self.ratio(name, self.measure) <= goal for name, goal in self.goals.items()]


def page(entries: Sequence[Entry], versions: str) -> str:
    """Return the whole page."""
    by_title = {entry.title: entry for entry in entries}
    goals = [met for entry in entries for met in entry.met()]
    head = _HEAD.format(
        sync=by_title[_SYNC].ratio("httpx", "wall"),
        asynchronous=by_title[_ASYNC].ratio("httpx", "wall"),
        throughput=1 / by_title[_AT_ONCE].ratio("httpx", "wall"),
        goals=len(goals),
        met=sum(goals),
        date=datetime.now(UTC).date().isoformat(),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count(),
        versions=versions,
    )
    return head + "".join("\n" + "\n".join(_folded(entry)) + "\n" for entry in entries)


def tables(entries: Sequence[Entry]) -> str:
    """Return a section with a table for each kind of work."""
    return "".join(f"\n## {_capitalised(entry.title)}\n\n" + "\n".join(_table(entry)) + "\n" for entry in entries)


def chart(entries: Sequence[Entry]) -> str:
    """Return a drawing: the time of one call, for the contenders that most readers know."""
    by_title = {entry.title: entry for entry in entries}
    bars = [
        (title, name, by_title[title].figures[name]["wall p20"]) for title, names in _CHARTED.items() for name in names
    ]
    longest = max(value for _, _, value in bars)
    drawn: list[str] = []
    top = 4
    for title, names in _CHARTED.items():
        drawn.append(f'<text x="0" y="{top + 14}" font-size="14" font-weight="600">{_capitalised(title)}</text>')
        top += 24
        for name in names:
            value = by_title[title].figures[name]["wall p20"]
            width = 420 * value / longest
            kind = "work" if name == "triverse" else "wait"
            drawn.append(f'<text x="84" y="{top + 15}" font-size="13" text-anchor="end">{escape(name)}</text>')
            drawn.append(f'<rect class="{kind}" x="92" y="{top}" width="{width:.0f}" height="20" rx="3"/>')
            drawn.append(
                f'<text class="soft" x="{100 + width:.0f}" y="{top + 15}" font-size="12.5">{value:,.0f} µs</text>'
            )
            top += 25
        top += 10
    label = "Time of one call. " + ", ".join(f"{title}, {name}: {value:,.0f} µs" for title, name, value in bars)
    return (
        '<div class="picture" markdown="0">\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 590 {top}" style="max-width: 37rem; min-width: 17rem" '
        f'role="img" aria-label="{escape(label)}">\n' + "\n".join(drawn) + "\n</svg>\n</div>\n"
    )


def _capitalised(title: str) -> str:
    return f"{title[0].upper()}{title[1:]}"


def _folded(entry: Entry) -> Iterator[str]:
    met = entry.met()
    verdict = f": {sum(met)} of {len(met)} goals met" if met else ""
    yield "<details markdown>"
    yield f"<summary>{_capitalised(entry.title).replace('`', '')}{verdict}</summary>"
    yield ""
    yield from _table(entry)
    yield ""
    yield "</details>"


def _table(entry: Entry) -> Iterator[str]:
    measures = list(dict.fromkeys(key.split()[0] for key in next(iter(entry.figures.values()))))
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
