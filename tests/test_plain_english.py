"""Words that readers of English as a second language do not know, or that have a plainer form, are in no text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each with a plain form in brackets.
BANNED = (
    "anew",  # again
    "as above",  # repeat it
    "be it",  # even if
    "but for",  # except for
    "for good",  # permanently
    "lest",  # so that … not
    "mend",  # repair
    "needs it not",  # does not need it
    "nought",  # nothing
    "of no use",  # wrong, not supported
    "of use",  # useful
    "ridden",  # retried
    "said",  # printed, returned
    "says",  # shows, contains, states
    "shall",  # must, will
    "so many",  # this many
    "somebody",  # name the caller, the reader …
    "takes nobody",  # name what is not cancelled
    "tells",  # shows, reports
    "told",  # given
    "whoever",  # name the caller, the reader …
)
WORDS = re.compile(r"\b(" + "|".join(map(re.escape, BANNED)) + r")\b", re.IGNORECASE)
SUFFIXES = {".md", ".patch", ".py", ".toml", ".txt", ".yml"}
PLACES = ("triverse", "docs", "tests", "README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")
FILES = [
    path
    for place in PLACES
    for path in sorted([ROOT / place, *(ROOT / place).rglob("*")])
    if path.suffix in SUFFIXES and path != Path(__file__).resolve() and "corpus" not in path.parts
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_banned_word_is_in_a_text(path: Path) -> None:
    # Names of tests are sentences too. Text goes on in the next line, behind its comment sign.
    text = re.sub(r"\s+(#\s+)?", " ", path.read_text("utf-8").replace("_", " "))
    assert [text[max(0, m.start() - 40) : m.end() + 40] for m in WORDS.finditer(text)] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("test_")], ids=lambda path: path.name)
def test_names_of_tests_are_short_sentences(path: Path) -> None:
    names = re.findall(r"^ *(?:async )?def test_(\w+)", path.read_text("utf-8"), re.MULTILINE)
    assert [name for name in names if len(name) > 70] == []
