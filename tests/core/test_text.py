from __future__ import annotations

from itertools import islice

from triverse.core.text import exception_chain, fits_utf8


def test_a_chain_has_causes_contexts_and_members_nearest_first() -> None:
    member, cause, context, error = OSError("member"), OSError("cause"), OSError("context"), ValueError("error")
    cause.__context__ = group = ExceptionGroup("group", [member])
    error.__cause__, error.__context__ = cause, context
    assert list(exception_chain(error)) == [error, cause, context, group, member]


def test_errors_that_are_each_others_context_are_visited_once() -> None:
    first, second = OSError("first"), OSError("second")
    first.__context__, second.__context__ = second, first
    assert list(islice(exception_chain(first), 9)) == [first, second]


def test_half_a_surrogate_pair_and_an_endless_number_are_no_text() -> None:
    assert fits_utf8("\N{SNOWMAN}") is True
    assert fits_utf8("\ud800") is False
    assert fits_utf8(10**5000) is False
