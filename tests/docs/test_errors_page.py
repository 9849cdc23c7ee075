"""The error trees in the documentation match the classes."""

from __future__ import annotations

import re

import pytest
from support.markdown_snippets import ROOT

import triverse
from triverse import TriverseError
from triverse.core import errors

GUIDE = (ROOT / "docs" / "guides" / "errors.md").read_text(encoding="utf-8")
EVERY_ERROR = {name for name in triverse.__all__ if name.endswith("Error")}


def parents(drawn: str) -> dict[str, str]:
    """Return the parent of each name in a tree that is drawn as text."""
    above: list[str] = []
    found: dict[str, str] = {}
    for lead, name in re.findall(
        r"^((?:[ │├└─]{4})+)(\w+Error)\b", drawn.partition("TriverseError\n")[2], re.MULTILINE
    ):
        del above[len(lead) // 4 - 1 :]
        found[name] = above[-1] if above else "TriverseError"
        above.append(name)
    return found


@pytest.mark.parametrize("text", [errors.__doc__ or "", GUIDE, (ROOT / "README.md").read_text(encoding="utf-8")])
def test_every_error_is_named(text: str) -> None:
    named = set(re.findall(r"\b\w+Error\b", text))
    assert EVERY_ERROR - named <= {"TriverseError", "APIError", "TransportError", "TaskError"}


@pytest.mark.parametrize("text", [re.sub("^    ", "", errors.__doc__ or "", flags=re.MULTILINE), GUIDE])
def test_the_drawn_tree_is_that_of_the_classes(text: str) -> None:
    assert parents(text) == {
        name: getattr(triverse, name).__bases__[0].__name__ for name in EVERY_ERROR - {TriverseError.__name__}
    }


def test_the_guide_has_a_remedy_for_each_error() -> None:
    assert {f"`{name}`" for name in EVERY_ERROR - {"TriverseError"}} <= set(
        re.findall(r"^\| (`\w+`)", GUIDE, re.MULTILINE)
    )
