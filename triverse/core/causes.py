"""What errors of other libraries came from, and what they say."""

from __future__ import annotations

from collections.abc import Iterator

from triverse.core.text import clipped, one_line

__all__ = ["family", "text_of"]


def family(error: BaseException) -> Iterator[BaseException]:
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


def text_of(error: BaseException) -> str:
    """What the error says, on one line; empty if nothing."""
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - a foreign class may break even here
        return ""
    return clipped(one_line(text))
