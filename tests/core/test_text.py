from __future__ import annotations

from itertools import islice

from triverse.core.text import exception_chain


def test_a_chain_has_causes_contexts_and_members_nearest_first() -> None:
    member, cause, context, error = OSError("member"), OSError("cause"), OSError("context"), ValueError("error")
    cause.__context__ = group = ExceptionGroup("group", [member])
    error.__cause__, error.__context__ = cause, context
    assert list(exception_chain(error)) == [error, cause, context, group, member]


def test_errors_that_are_each_others_context_are_visited_once() -> None:
    first, second = OSError("first"), OSError("second")
    first.__context__, second.__context__ = second, first
    assert list(islice(exception_chain(first), 9)) == [first, second]
