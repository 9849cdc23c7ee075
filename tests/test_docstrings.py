from __future__ import annotations

from triverse._docstrings import field_descriptions, summary


class Told:
    """What it is,
    in two lines.

    More of it.

    Attributes:
        one: the first,
            on two lines.
        two: the second.

    Example:
        three: is no field.

    Attributes:
        four: of another section.
    """


class Untold:
    pass


def test_the_first_paragraph_is_the_summary() -> None:
    assert summary(Told) == "What it is, in two lines."


def test_each_field_is_described_by_its_entry() -> None:
    assert field_descriptions(Told) == {"one": "the first, on two lines.", "two": "the second."}


def test_a_class_without_a_docstring_says_nothing() -> None:
    assert (summary(Untold), field_descriptions(Untold)) == ("", {})
