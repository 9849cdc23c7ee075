"""Text of strangers, made fit for one line of a log or a terminal."""

from __future__ import annotations

from typing import Final

__all__ = ["clipped", "one_line", "repr_of"]

_MAX_CHARACTERS: Final = 2000


def one_line(text: str) -> str:
    """The text on one line, without characters that steer a terminal or that UTF-8 cannot hold."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def clipped(text: str) -> str:
    """The text, or its beginning where it is longer than anyone reads."""
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"


def repr_of(value: object) -> str:
    """The repr of a value that is refused, on one line; its type where it has none, as ints of many thousand digits."""
    try:
        return clipped(one_line(repr(value)))
    except Exception:  # noqa: BLE001 - a foreign class may break even here
        return type(value).__name__
