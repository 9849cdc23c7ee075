from __future__ import annotations

import pytest
from support.renderings import renderings

from triverse.core.scrub import scrub

KEY = "tri-0123456789abcdef"


class CarryingError(Exception):
    def __init__(self, *carried: object) -> None:
        super().__init__("failed")
        self.carried = carried


def redact(text: str) -> str:
    return text.replace(KEY, "[redacted]")


def scrubbed(error: CarryingError) -> tuple[object, ...]:
    """Redact the value of an error, which stays the same object. Return the value afterwards."""
    assert scrub(error, redact) is error
    assert all(KEY not in text for text in renderings(error))
    return error.carried


@pytest.mark.parametrize("text", [f"Bearer {KEY}".encode(), bytearray(f"Bearer {KEY}".encode())])
def test_bytes_with_the_key_are_redacted_in_place(text: bytes) -> None:
    assert scrubbed(CarryingError(text)) == (b"Bearer [redacted]",)


@pytest.mark.parametrize("value", ["text", b"text", bytearray(b"text"), [b"text", ["more"]], {"a": (1, 2)}])
def test_a_value_without_the_key_stays_the_same_object(value: object) -> None:
    (after,) = scrubbed(CarryingError(value))
    assert after is value


def test_a_list_that_occurs_twice_is_redacted_twice() -> None:
    shared = [KEY]
    assert scrubbed(CarryingError(shared, shared)) == (["[redacted]"], ["[redacted]"])


def test_an_object_that_only_shows_the_key_is_replaced_by_its_redacted_text() -> None:
    class Shown:  # of a function, so that it is in no pickle
        def __repr__(self) -> str:
            return f"<Shown {KEY}>"

    assert scrubbed(CarryingError(Shown())) == ("<Shown [redacted]>",)


def test_values_nested_too_deep_leave_a_plain_error_with_the_redacted_text() -> None:
    value: list[object] = [KEY]
    for _ in range(100_000):
        value = [value]
    error = ValueError(f"sent with {KEY}")
    vars(error)["carried"] = value
    after = scrub(error, redact)
    assert type(after) is Exception
    assert str(after) == "ValueError: sent with [redacted]"
