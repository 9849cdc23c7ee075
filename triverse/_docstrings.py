"""Read the summary and the descriptions of the fields from the docstring of a class."""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["field_descriptions", "summary"]

_ENTRY: Final = re.compile(r"^    (\w+): (.+(?:\n {6,}.+)*)", re.MULTILINE)


def summary(cls: type) -> str:
    """Return the first paragraph of the docstring; empty if docstrings are removed (-OO)."""
    return _one_line((inspect.getdoc(cls) or "").partition("\n\n")[0])


def field_descriptions(cls: type) -> dict[str, str]:
    """Return the description of each field from the section "Attributes" of the docstring."""
    _, _, section = (inspect.getdoc(cls) or "").partition("\nAttributes:\n")
    return {name: _one_line(text) for name, text in _ENTRY.findall(section.partition("\n\n")[0])}


def _one_line(text: str) -> str:
    return " ".join(text.split())
