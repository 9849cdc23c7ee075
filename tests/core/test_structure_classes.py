from __future__ import annotations

import dataclasses
import math
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar

import attrs
import pytest
from cattrs.errors import IterableValidationError
from support.exchange_driver import Call, data

from triverse import InvalidResponseError, Request, UserBalance
from triverse.core.result import Result
from triverse.core.structure import structurer


@dataclasses.dataclass
class Point:
    x: float
    label: str = ""


@dataclasses.dataclass
class Circle:
    radius: float


@attrs.frozen
class Cat:
    kind: Literal["cat"]
    lives: int


@attrs.frozen
class Dog:
    kind: Literal["dog"]
    lives: int


class Row(TypedDict):
    id: int


class Rows(TypedDict):
    rows: list[Row]


@attrs.frozen
class ValidatesByTable:
    name: str = attrs.field(validator=lambda _owner, _attribute, value: {"a": 1}[value])


def only_one(name: int) -> int:
    return {1: 1}[name]


@attrs.frozen
class ConvertsByTable:
    name: int = attrs.field(converter=only_one)


@dataclasses.dataclass
class LooksUpAfterwards:
    name: str

    def __post_init__(self) -> None:
        raise KeyError(self.name)


@dataclasses.dataclass
class Outer:
    inner: LooksUpAfterwards


class Fussy(str):
    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        raise KeyError(value)


class Colour(Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Colour:
        raise LookupError(value)


@dataclasses.dataclass
class Fields:
    word: Fussy | None = None
    colour: Colour | None = None
    path: Path | None = None


@dataclasses.dataclass
class Deep:
    name: str

    def __post_init__(self) -> None:
        raise RecursionError


@dataclasses.dataclass
class UsesCattrs:
    name: str

    def __post_init__(self) -> None:
        raise IterableValidationError("list", [ValueError("bad")], list)  # pyright: ignore[reportCallIssue]  # a third is the class


@dataclasses.dataclass(init=False)
class Open:
    a: int
    cached: bytes = dataclasses.field(default=b"cached", init=False)

    def __init__(self, a: int, *more: int, **named: int) -> None:
        self.a = a + sum(more) + sum(named.values())


def problem(into: Any, value: object) -> str:
    error = Call(Request("GET", "/thing", into)).error(data(value))
    assert isinstance(error, InvalidResponseError), repr(error)
    return str(error).partition("(HTTP 200): ")[2].partition(". Check the base URL")[0]


def structured(into: Any, value: object) -> object:
    return structurer(into)(value, "data")


@pytest.mark.parametrize(
    ("into", "value", "expected"),
    [
        (ValidatesByTable, {"name": "b"}, "data: not a valid ValidatesByTable (KeyError)"),
        (ConvertsByTable, {"name": 2}, "data: not a valid ConvertsByTable (KeyError)"),
        (LooksUpAfterwards, {"name": "b"}, "data: not a valid LooksUpAfterwards (KeyError)"),
        (list[LooksUpAfterwards], [{"name": "b"}], "data[0]: not a valid LooksUpAfterwards (KeyError)"),
        (Outer, {"inner": {"name": "b"}}, "data.inner: not a valid LooksUpAfterwards (KeyError)"),
        (Outer, {"inner": {}}, "data.inner.name: missing"),
        (Fields, {"word": "b"}, "data.word: not a valid Fussy (KeyError)"),
        (Fields, {"colour": "b"}, "data.colour: not a valid Colour (LookupError)"),
        (list[Deep], [{"name": "b"}], "data[0]: nested too deep"),
        (UsesCattrs, {"name": "b"}, "data: not a valid value (ValueError)"),
        (Fields, {"path": 5}, "data.path: not a valid value (TypeError)"),
    ],
)
def test_an_error_of_a_users_class_is_not_called_a_missing_field(into: Any, value: object, expected: str) -> None:
    assert problem(into, value) == expected


@pytest.mark.parametrize(
    ("into", "value", "expected"),
    [
        (Row, {"id": 1, "more": math.nan}, "data.more: expected a finite number, got NaN"),
        (Row, {"id": 1, "more": [{"a": math.inf}]}, "data.more[0].a: expected a finite number, got Infinity"),
        (Rows, {"rows": [{"id": 1, "more": math.nan}]}, "data.rows[0].more: expected a finite number, got NaN"),
        (UserBalance, {"balance": 1, "frozen": 2, "more": math.nan}, "data.more: expected a finite number, got NaN"),
    ],
)
def test_nan_and_infinity_are_refused_in_unknown_fields_too(into: Any, value: object, expected: str) -> None:
    assert problem(into, value) == expected


def test_unknown_fields_of_a_typed_dict_are_kept() -> None:
    assert structured(Row, {"id": 1, "more": [1.5]}) == {"id": 1, "more": [1.5]}


def test_unknown_fields_of_other_classes_are_dropped() -> None:
    assert structured(Point, {"x": 1, "more": math.nan}) == Point(1.0)


def test_a_value_becomes_the_class_of_a_union_whose_fields_it_has() -> None:
    assert structured(Point | Circle, {"x": 1}) == Point(1.0)
    assert structured(Point | Circle | None, {"radius": 2}) == Circle(2.0)
    assert structured(Point | Circle | None, None) is None
    assert structured(Cat | Dog, {"kind": "dog", "lives": 1}) == Dog("dog", 1)


@pytest.mark.parametrize(
    ("into", "value", "expected"),
    [
        (Point | Circle, {"y": 1}, "expected an object with the fields of Point or Circle, got an object"),
        (Point | Circle, None, "expected an object with the fields of Point or Circle, got null"),
        (Point | Circle | None, [], "expected an object with the fields of Point or Circle, got an array"),
        (Cat | Dog, {"kind": "cow"}, "expected an object with the fields of Cat or Dog, got an object"),
        (Cat | Dog, {"kind": ["cat"]}, "expected an object with the fields of Cat or Dog, got an object"),
        (Point | None, 5, "expected an object, got the number 5"),
    ],
)
def test_a_value_that_fits_no_class_of_a_union_is_a_mismatch(into: Any, value: object, expected: str) -> None:
    assert problem(into, value) == f"data: {expected}"


@dataclasses.dataclass
class Plan:
    structure: str


@dataclasses.dataclass
class Building:
    floors: int

    def structure(self) -> str:
        return "steel"


@attrs.frozen
class Hidden:
    _token: str


T = TypeVar("T")


@attrs.frozen
class Listed(Result, Generic[T]):
    items: list[T]


def test_an_attribute_named_structure_of_a_users_class_changes_nothing() -> None:
    assert structured(Plan, {"structure": "steel"}) == Plan("steel")
    assert structured(Building, {"floors": 3}) == Building(3)


def test_a_private_attribute_is_passed_by_its_public_name() -> None:
    assert structured(Hidden, {"_token": "a"}) == Hidden("a")


def test_a_generic_result_keeps_unknown_fields() -> None:
    result = structured(Listed[int], {"items": [1], "more": True})
    assert isinstance(result, Result)
    assert result == Listed([1])
    assert result.extra == {"more": True}


def test_a_constructor_may_take_more_and_a_field_may_be_set_by_the_class() -> None:
    assert structured(Open, {"a": 1}) == Open(1)
