"""What the docstring of a class says of it, for those who describe it to others."""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["field_descriptions", "summary"]

_ENTRY: Final = re.compile(r"^    (\w+): (.+(?:\n {6,}.+)*)", re.MULTILINE)


def summary(cls: type) -> str:
    """The first paragraph of the class's docstring; empty where docstrings are stripped."""
    return _one_line((inspect.getdoc(cls) or "").partition("\n\n")[0])


def field_descriptions(cls: type) -> dict[str, str]:
    """What the section "Attributes" of the class's docstring says of each field."""
    _, _, section = (inspect.getdoc(cls) or "").partition("\nAttributes:\n")
    return {name: _one_line(text) for name, text in _ENTRY.findall(section.partition("\n\n")[0])}


def _one_line(text: str) -> str:
    return " ".join(text.split())
