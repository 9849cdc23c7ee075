from __future__ import annotations

from triverse._docstrings import field_descriptions, summary


class Described:
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


class Undescribed:
    pass


def test_the_first_paragraph_is_the_summary() -> None:
    assert summary(Described) == "What it is, in two lines."


def test_each_field_is_described_by_its_entry() -> None:
    assert field_descriptions(Described) == {"one": "the first, on two lines.", "two": "the second."}


def test_a_class_without_a_docstring_has_no_descriptions() -> None:
    assert (summary(Undescribed), field_descriptions(Undescribed)) == ("", {})
