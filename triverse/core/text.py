"""Text of strangers, made fit for one line of a log or a terminal."""

from __future__ import annotations

from typing import Final

__all__ = ["clipped", "one_line"]

_MAX_CHARACTERS: Final = 2000


def one_line(text: str) -> str:
    """The text on one line, without characters that steer a terminal or that UTF-8 cannot hold."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def clipped(text: str) -> str:
    """The text, or its beginning where it is longer than anyone reads."""
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"
