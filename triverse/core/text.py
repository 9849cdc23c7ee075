"""Sanitise untrusted text for one line of a log or a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["exception_chain", "exception_message", "safe_repr", "to_single_line", "truncate"]

_MAX_CHARACTERS: Final = 2000


def to_single_line(text: str) -> str:
    """The text on one line, without characters that steer a terminal or that UTF-8 cannot hold."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def truncate(text: str) -> str:
    """The text, or its beginning where it is longer than anyone reads."""
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"


def safe_repr(value: object) -> str:
    """The repr of a value that is refused, on one line; its type where it has none, as ints of many thousand digits."""
    try:
        return truncate(to_single_line(repr(value)))
    except Exception:  # noqa: BLE001 - a foreign class may break even here
        return type(value).__name__


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and all that it was raised from, while handling, or as a group of. The nearest first."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions  # pyright: ignore[reportUnknownMemberType]  # of whatever kind
        yield link


def exception_message(error: BaseException) -> str:
    """What the error says, on one line; empty if nothing."""
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - a foreign class may break even here
        return ""
    return truncate(to_single_line(text))
