"""Three figures for the home page, read from the evidence pages, so that no number is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path


def cards(evidence: Path) -> str:
    """Return the figures as cards, each with a link to the page that it is from."""
    figures = (
        _time(evidence / "benchmarks.md"),
        _tenants(evidence / "races.md"),
        _fuzzing(evidence / "fuzz.md"),
    )
    items = "\n".join(
        f'<a href="{page}"><strong>{number}</strong><span>{text}</span></a>'
        for number, text, page in figures
    )
    return f'<div class="figures">\n{items}\n</div>'


def _time(page: Path) -> tuple[str, str, str]:
    section = page.read_text("utf-8").partition("Sync, one after another")[2]
    head = [name.strip() for name in _row(section, "contender")]
    httpx = dict(zip(head, _row(section, "httpx"), strict=True))
    share = float(httpx["ratio, wall"])
    return (
        f"{share:.0%}",
        "of the time of the same call in bare httpx",
        "evidence/benchmarks.html",
    )


def _tenants(page: Path) -> tuple[str, str, str]:
    text = page.read_text("utf-8")
    rows = [_row(text, client) for client in ("sync", "asyncio", "trio")]
    calls = sum(int(row[1].replace(",", "")) for row in rows)
    crossed = sum(int(row[2]) for row in rows)
    return (
        f"{crossed}",
        f"mixed-up keys in {calls:,} calls for 500 tenants over one client",
        "evidence/races.html",
    )


def _fuzzing(page: Path) -> tuple[str, str, str]:
    found = re.search(r"\*\*([\d,]+) executions\*\*", page.read_text("utf-8"))
    if found is None:
        raise LookupError("fuzz.md no longer states the number of executions")
    millions = int(found[1].replace(",", "")) / 1e6
    return (
        f"{millions:.1f} M",
        "fuzzed inputs: each gives a right value or one clear error",
        "evidence/fuzz.html",
    )


def _row(text: str, name: str) -> list[str]:
    """Return the cells of the first table row that begins with this name."""
    found = re.search(rf"^\| {re.escape(name)} \|.*$", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"no row {name!r}")
    return [cell.strip() for cell in found[0].strip("| ").split("|")]
