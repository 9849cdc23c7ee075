from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, Optional, TypedDict, TypeVar

import attrs
import pytest
from support.exchange_driver import Call

from triverse import ConfigurationError, Request
from triverse.core.structure import structurer

T = TypeVar("T")


class Pair(NamedTuple):
    first: int


@dataclasses.dataclass
class Priced:
    id: int
    price: Decimal | None


@dataclasses.dataclass
class Order:
    parts: list[Priced]


@dataclasses.dataclass
class Node:
    children: list[Node]
    weight: complex


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@attrs.frozen
class Marked:
    price: Annotated[Decimal, "EUR"]


@attrs.frozen
class Calendar:
    days: list[Annotated[dt.date, "a workday"]]


@dataclasses.dataclass
class Pages(Generic[T]):
    price: Decimal
    items: list[T]


class Row(TypedDict):
    id: int
    price: NotRequired[Decimal]


class Blob(TypedDict):
    content: bytes


@dataclasses.dataclass
class File:
    content: bytes
    name: str = ""


@dataclasses.dataclass
class Unresolved:
    owner: Owner  # type: ignore[name-defined]  # noqa: F821 - the point  # pyright: ignore[reportUndefinedVariable]  # the point


@dataclasses.dataclass
class WithInitVar:
    a: int
    b: dataclasses.InitVar[int]


@attrs.define(init=False)
class OwnConstructor:
    a: int

    def __init__(self, a: int, other: int, *more: int, **named: int) -> None:
        self.a = a + other + sum(more) + sum(named.values())


@dataclasses.dataclass
class One:
    a: int


@dataclasses.dataclass
class Two:
    a: int


@dataclasses.dataclass
class Three:
    b: int


def refusal(into: Any) -> str:
    """Return the reason for the refusal of a type, without the rest of the message."""
    with pytest.raises(ConfigurationError) as caught:
        structurer(into)
    text = str(caught.value)
    assert text.startswith("into=")
    assert text.endswith(
        ". JSON can become bool, int, float, str, None, UUID, enumerations, collections of these, attrs classes, "
        "dataclasses and TypedDicts"
    )
    return text.partition(": JSON cannot become this type. ")[2].partition(". JSON can become")[0]


HERE = __name__
NO_DATES = "datetime.datetime is not supported: use str, and convert it with fromisoformat()"


@pytest.mark.parametrize(
    ("into", "reason"),
    [
        (complex, "complex is not supported"),
        (Decimal, "decimal.Decimal is not supported"),
        (bytes, "bytes is not supported"),
        (deque[int], "collections.deque[int] is not supported"),
        (dt.datetime, NO_DATES),
        (dt.datetime | None, NO_DATES),
        (Decimal | None, "decimal.Decimal is not supported"),
        (Optional[bytes], "bytes is not supported"),  # noqa: UP045 - another spelling
        (list[complex], "complex is not supported"),
        (list[bytes], "bytes is not supported"),
        (dict[bytes, int], "bytes is not supported"),
        (tuple[int, complex], "complex is not supported"),
        (Pair, f"{HERE}.Pair is not supported"),
        (5, "5 is not supported"),
        ("str", "'str' is not supported"),
        (Priced, "Priced.price: decimal.Decimal is not supported"),
        (Priced | None, "Priced.price: decimal.Decimal is not supported"),
        (Order, "Priced.price: decimal.Decimal is not supported"),
        (Node, "Node.weight: complex is not supported"),
        (Page[Decimal], "Page.items: decimal.Decimal is not supported"),
        (Box[Decimal], "Box.content: decimal.Decimal is not supported"),
        (Calendar, "Calendar.days: datetime.date is not supported: use str, and convert it with fromisoformat()"),
        (Pages[int], "Pages.price: decimal.Decimal is not supported"),
        (Marked, "Marked.price: decimal.Decimal is not supported"),
        (Row, "Row.price: decimal.Decimal is not supported"),
        (Blob, "Blob.content: bytes is not supported"),
        (File, "File.content: bytes is not supported"),
        (
            Unresolved,
            f"{HERE}.Unresolved is not supported: an annotation cannot be resolved (name 'Owner' is not defined)",
        ),
        (WithInitVar, f"{HERE}.WithInitVar is not supported: its constructor requires 'b', which is not a field"),
        (
            OwnConstructor,
            f"{HERE}.OwnConstructor is not supported: its constructor requires 'other', which is not a field",
        ),
        (
            int | dict[str, int],
            "int | dict[str, int] is not supported: a JSON value does not show which of these types is meant",
        ),
        (
            Three | int | None,
            f"{HERE}.Three | int | None is not supported: a JSON value does not show which of these types is meant",
        ),
        (Three | Priced, "Priced.price: decimal.Decimal is not supported"),
    ],
)
def test_a_refusal_names_the_type_and_its_place(into: Any, reason: str) -> None:
    assert refusal(into) == reason


def test_an_error_of_another_kind_is_named() -> None:
    # Its text is in the words of cattrs.
    assert refusal(Page).startswith("StructureHandlerNotFoundError: ")
    with pytest.raises(ConfigurationError, match=f"^into={HERE}.Page: JSON cannot become this type. "):
        structurer(Page)


def test_a_type_of_the_main_program_is_named_without_its_module() -> None:
    assert refusal(type("Mine", (), {"__module__": "__main__"})) == "Mine is not supported"


def test_classes_with_the_same_fields_are_no_union() -> None:
    # The reason is a message of cattrs, which differs by version.
    assert refusal(One | Two).startswith(f"{HERE}.One | {HERE}.Two is not supported: ")
    assert "None" not in refusal(One | Two)


@pytest.mark.parametrize(
    "into",
    [
        Counter,
        OrderedDict[str, int],
        defaultdict[str, int],
        bytearray,
        range,
        dt.date,
        Annotated[int, []],
        TypeVar("Q"),
        [int],
        Page,
        Literal["a"] | int,
    ],
)
def test_other_types_without_a_strict_conversion_are_refused(into: Any) -> None:
    assert refusal(into)


def test_a_refused_type_is_refused_before_anything_is_sent() -> None:
    into: Any = Order | None
    call = Call(Request[object]("POST", "/tasks", into))
    assert isinstance(call.error(), ConfigurationError)
    assert call.attempts == []
