"""Sanitise untrusted text for one line of a log or a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["exception_chain", "exception_message", "fits_utf8", "safe_repr", "to_single_line", "truncate"]

_MAX_CHARACTERS: Final = 2000


def to_single_line(text: str) -> str:
    """Return the text on one line, without control characters and characters that UTF-8 cannot encode."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def fits_utf8(value: object) -> bool:
    """Whether UTF-8 can encode the text of a value."""
    try:
        str(value).encode()
    except ValueError:  # a lone surrogate, or a number of many thousand digits
        return False
    return True


def truncate(text: str) -> str:
    """Return the text, or its first 2,000 characters if it is longer."""
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"


def safe_repr(value: object) -> str:
    """Return the repr of a value on one line, or its type if repr() fails, as for an int of 5,000 digits."""
    try:
        return truncate(to_single_line(repr(value)))
    except Exception:  # noqa: BLE001 - classes of other libraries may fail even here
        return type(value).__name__


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, then its causes, contexts and group members, nearest first."""
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
    """Return the text of the exception on one line; empty if it has none."""
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - classes of other libraries may fail even here
        return ""
    return truncate(to_single_line(text))
