from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import Call, data, error_of

from triverse import InvalidResponseError, Request, TriverseError, UserBalance, UserInfo
from triverse.core import structure
from triverse.core.result import Result
from triverse.core.structure import structurer

T = TypeVar("T")

ADA = {
    "id": "0b9d2c9e-6f5c-4c5e-9f5e-1f1f6a0a7b11",
    "email": "ada@example.com",
    "web_credits_balance": 1,
    "api_credits_balance": 2.5,
}


@pytest.fixture(autouse=True)
def _fresh_hooks() -> None:
    """Empty the caches, so that each test makes its own structure hooks."""
    structure._converter = structure._make_converter()  # type: ignore[misc]  # pyright: ignore[reportPrivateUsage]  # as at import
    structure._structurer.cache_clear()  # pyright: ignore[reportPrivateUsage]  # as at import


class Status(StrEnum):
    RUNNING = "RUNNING"


class Level(IntEnum):
    LOW = 1


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Lenient(Enum):
    KNOWN = "known"
    UNKNOWN = "?"

    @classmethod
    def _missing_(cls, value: object) -> Lenient:  # noqa: ARG003 - the signature that enum requires
        return cls.UNKNOWN


class Name(str):
    __slots__ = ()


class Cost(float):
    pass


class Movie(TypedDict):
    title: str
    year: int


class Partial(TypedDict, total=False):
    year: int


class Pair(NamedTuple):
    first: int


@dataclasses.dataclass
class Node:
    value: int
    children: list[Node] = dataclasses.field(default_factory=list["Node"])


@attrs.frozen
class Task:
    id: UUID
    progress: int = attrs.field(validator=attrs.validators.le(100))
    status: Status = Status.RUNNING
    tags: tuple[str, ...] = ()


@attrs.frozen
class Page(Generic[T]):
    items: list[T]


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@attrs.frozen
class Priced(Result):
    cost: int
    page: Page[int] | None = None


@attrs.frozen
class Crowd(Mapping[str, int]):
    """A mapping that also has fields."""

    size: int

    def __getitem__(self, name: str) -> int:
        return self.size

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return self.size


@dataclasses.dataclass
class Nowhere:
    value: Unheard  # type: ignore[name-defined]  # noqa: F821 - the point  # pyright: ignore[reportUndefinedVariable]  # the point


UserId = NewType("UserId", int)


def become(into: Any, value: object) -> object:
    return structurer(into)(value, "data")


def complaint(into: Any, value: object) -> str:
    error = Call(Request("GET", "/thing", into)).error(data(value))
    assert isinstance(error, InvalidResponseError), repr(error)
    return (
        str(error).partition(" (HTTP 200): ")[2].removesuffix(". Check the base URL; if it is correct, update triverse")
    )


FITS: list[tuple[Any, object, object]] = [
    (object, {"a": [1, None, {}]}, {"a": [1, None, {}]}),
    (Any, "x", "x"),
    (None, None, None),
    (type(None), None, None),
    (bool, True, True),
    (int, 5, 5),
    (int, 10**400, 10**400),
    (float, 5, 5.0),
    (float, -2.5, -2.5),
    (str, "", ""),
    (str, "\U0001f600", "\U0001f600"),
    (UUID, str(ADA["id"]).upper(), UUID(str(ADA["id"]))),
    (Path, "a/b", Path("a/b")),
    (Name, "n", Name("n")),
    (Cost, 2, Cost(2)),
    (UserId, 3, 3),
    (Annotated[int, "x"], 3, 3),
    (Annotated[Level, "x"], 1, Level.LOW),
    (Annotated[Name, "x"], "Ada", Name("Ada")),
    (Final[int], 3, 3),
    (Status, "RUNNING", Status.RUNNING),
    (Level, 1, Level.LOW),
    (Mixed, 1, Mixed.ONE),
    (Mixed, "two", Mixed.TWO),
    (Lenient, "new", Lenient.UNKNOWN),
    (Literal[1, "a", None], None, None),  # noqa: PYI061 - another spelling
    (Literal[Mixed.TWO], "two", Mixed.TWO),
    (int | None, None, None),
    (float | None, 3, 3.0),
    (int | str, "a", "a"),
    (int | float, 1, 1),
    (str | float, 1, 1.0),
    (bool | float | None, True, True),
    (str | int | float | bool | None, 1.5, 1.5),
    (list[int] | None, [1], [1]),
    (list, [1, "a"], [1, "a"]),
    (list[int], [], []),
    (MutableSequence[int], [1], [1]),
    (Sequence[int], [1], (1,)),
    (tuple, [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[()], [], ()),
    (set[int], [1, 1], {1}),
    (MutableSet[int], [1], {1}),
    (frozenset[str], ["a"], frozenset({"a"})),
    (AbstractSet[str], ["a"], frozenset({"a"})),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (dict[Status, int], {"RUNNING": 1}, {Status.RUNNING: 1}),
    (Mapping[str, int], {"a": 1}, {"a": 1}),
    (MutableMapping[str, int], {}, {}),
    (Movie, {"title": "M", "year": 1931}, {"title": "M", "year": 1931}),
    (Partial, {}, {}),
    (Node, {"value": 1, "children": [{"value": 2}]}, Node(1, [Node(2)])),
    (
        Task,
        {"id": ADA["id"], "progress": 7, "tags": ["a"], "unknown": 1},
        Task(UUID(str(ADA["id"])), 7, Status.RUNNING, ("a",)),
    ),
    (Page[int], {"items": [1]}, Page([1])),
    (list[Page[str]], [{"items": ["a"]}], [Page(["a"])]),
    (Box[int], {"content": 1}, Box(1)),
    (Crowd, {"size": 3}, Crowd(3)),
    (UserInfo, ADA, UserInfo(UUID(str(ADA["id"])), "ada@example.com", 1.0, 2.5, None)),
    (UserInfo, ADA | {"plan_name": None}, UserInfo(UUID(str(ADA["id"])), "ada@example.com", 1.0, 2.5)),
]


@pytest.mark.parametrize(("into", "value", "becomes"), FITS)
def test_a_value_that_fits_becomes_exactly_the_type(into: Any, value: object, becomes: object) -> None:
    made = become(into, value)
    assert made == becomes
    assert type(made) is type(becomes)


MISFITS: list[tuple[Any, object, str]] = [
    (float, None, "data: expected a number, got null"),
    (float, True, "data: expected a number, got true"),
    (float, "2.5", "data: expected a number, got a string"),
    (float, [1], "data: expected a number, got an array"),
    (float, math.nan, "data: expected a finite number, got NaN"),
    (float, math.inf, "data: expected a finite number, got Infinity"),
    (float, -math.inf, "data: expected a finite number, got Infinity"),
    (float, 10**400, "data: expected a finite number, got a huge number"),
    (int, 2.0, "data: expected a whole number, got the number 2.0"),
    (int, False, "data: expected a whole number, got false"),
    (int, "5", "data: expected a whole number, got a string"),
    (int, 1e15, "data: expected a whole number, got a huge number"),
    (int, -9.5e14, "data: expected a whole number, got the number -950000000000000.0"),
    (bool, 1, "data: expected true or false, got the number 1"),
    (str, None, "data: expected a string, got null"),
    (str, 5, "data: expected a string, got the number 5"),
    (str, "\ud800", "data: expected text that UTF-8 can hold, got a string"),
    (None, 0, "data: expected null, got the number 0"),
    (UUID, 5, "data: expected a string, got the number 5"),
    (UUID, "", "data: expected a UUID, got a string"),
    (UUID, "five", "data: expected a UUID, got a string"),
    (UUID, "0b9d2c9e6f5c4c5e9f5e1f1f6a0a7b11", "data: expected a UUID, got a string"),
    (UUID, "{0b9d2c9e-6f5c-4c5e-9f5e-1f1f6a0a7b11}", "data: expected a UUID, got a string"),
    (Path, 5, "data: not a valid value (TypeError)"),
    (Status, "GONE", "data: expected a value of Status, got a string"),
    (Level, True, "data: expected a whole number, got true"),
    (Level, 7, "data: expected a value of Level, got the number 7"),
    (Mixed, True, "data: expected a value of Mixed, got true"),
    (Mixed, 1.0, "data: expected a value of Mixed, got the number 1.0"),
    (Mixed, "three", "data: expected a value of Mixed, got a string"),
    (Mixed, [1], "data: expected a value of Mixed, got an array"),
    (Literal[1, "a"], True, "data: expected one of 1, 'a', got true"),
    (Literal[1, "a"], 1.0, "data: expected one of 1, 'a', got the number 1.0"),
    (Literal["a"], {}, "data: expected one of 'a', got an object"),
    (int | None, "5", "data: expected a whole number, got a string"),
    (int | str, True, "data: expected a whole number or a string, got true"),
    (int | str, 1.5, "data: expected a whole number or a string, got the number 1.5"),
    (str | float | None, True, "data: expected a string or a number or null, got true"),
    (str | float, math.nan, "data: expected a finite number, got NaN"),
    (list[int], "12", "data: expected an array, got a string"),
    (list[int], {}, "data: expected an array, got an object"),
    (list[int], [1, "2"], "data[1]: expected a whole number, got a string"),
    (list[list[int]], [[], [0, None]], "data[1][1]: expected a whole number, got null"),
    (tuple[int, ...], None, "data: expected an array, got null"),
    (tuple[int, str], "1a", "data: expected an array, got a string"),
    (tuple[int, str], [1], "data: expected an array of 2, got one of 1"),
    (tuple[int, str], [1, "a", 2], "data: expected an array of 2, got one of 3"),
    (tuple[int, str], [1, 2], "data[1]: expected a string, got the number 2"),
    (tuple[()], [1], "data: expected an array of 0, got one of 1"),
    (set[object], [[]], "data: not a valid value (TypeError)"),
    (frozenset[str], "ab", "data: expected an array, got a string"),
    (dict[str, int], [], "data: expected an object, got an array"),
    (dict[str, int], {"a": None}, "data.a: expected a whole number, got null"),
    (dict[int, int], {"1": 1}, "data.1: expected a whole number, got a string"),
    (dict[str, object], {"a": [{"b": math.nan}]}, "data.a[0].b: expected a finite number, got NaN"),
    (object, [1, math.inf], "data[1]: expected a finite number, got Infinity"),
    (list, [math.nan], "data[0]: expected a finite number, got NaN"),
    (dict, {"a": math.nan}, "data.a: expected a finite number, got NaN"),
    (Movie, [], "data: expected an object, got an array"),
    (Movie, {"title": "M"}, "data.year: missing"),
    (Movie, {"title": "M", "year": "1931"}, "data.year: expected a whole number, got a string"),
    (Node, None, "data: expected an object, got null"),
    (Node, {"value": 1, "children": [{"value": 2}, {}]}, "data.children[1].value: missing"),
    (Task, {"id": ADA["id"], "progress": 101}, "data: not a valid Task (ValueError)"),
    (Task, {"id": ADA["id"], "progress": 1, "tags": [3]}, "data.tags[0]: expected a string, got the number 3"),
    (Page[int], {"items": ["a"]}, "data.items[0]: expected a whole number, got a string"),
    (Box[int], [1], "data: expected an object, got an array"),
    (Box[int], {"content": "1"}, "data.content: expected a whole number, got a string"),
    (Priced, {"cost": 1, "page": {"items": [None]}}, "data.page.items[0]: expected a whole number, got null"),
    (UserBalance, {"balance": None, "frozen": 2}, "data.balance: expected a number, got null"),
    (UserBalance, {"balance": 1}, "data.frozen: missing"),
    (UserBalance, {}, "data.balance: missing"),
    (UserBalance, [1, 2], "data: expected an object, got an array"),
    (UserInfo, ADA | {"plan_name": 5}, "data.plan_name: expected a string, got the number 5"),
    (UserInfo, ADA | {"email": ["a"]}, "data.email: expected a string, got an array"),
    (UserInfo, ADA | {"id": "x"}, "data.id: expected a UUID, got a string"),
]


@pytest.mark.parametrize(("into", "value", "expected"), MISFITS)
def test_a_value_that_does_not_fit_is_reported_with_its_path(into: Any, value: object, expected: str) -> None:
    assert complaint(into, value) == expected


def test_the_path_is_an_attribute_too() -> None:
    error = error_of(data({"balance": 1, "frozen": True}), UserBalance)
    assert isinstance(error, InvalidResponseError)
    assert error.path == "data.frozen"


def test_unknown_fields_are_kept() -> None:
    sent = {"balance": 1, "frozen": 2, "bonus": {"a": [1]}, "_extra": "x", "extra": None, "\ud800": 1}
    balance = become(UserBalance, sent)
    assert balance == UserBalance(1.0, 2.0)
    assert isinstance(balance, UserBalance)
    assert list(balance.extra.items()) == [("bonus", {"a": [1]}), ("_extra", "x"), ("extra", None), ("\ud800", 1)]


def test_without_unknown_fields_extra_is_empty() -> None:
    balance = become(UserBalance, {"balance": 1, "frozen": 2})
    assert isinstance(balance, UserBalance)
    assert balance.extra == {}


def test_unknown_fields_must_be_json_too() -> None:
    sent = {"balance": 1, "frozen": 2, "bonus": {"a": [math.nan]}}
    assert complaint(UserBalance, sent) == "data.bonus.a[0]: expected a finite number, got NaN"


def test_the_decoded_value_is_not_changed() -> None:
    sent: dict[str, object] = {"balance": 1, "bonus": 3}
    complaint(UserBalance, sent)
    become(Priced, {"cost": 1} | sent)
    assert sent == {"balance": 1, "bonus": 3}


def test_a_mismatch_contains_no_value_of_the_response() -> None:
    assert "ada" not in complaint(UserBalance, {"balance": "ada@example.com"})


def test_only_the_first_of_many_mismatches_is_kept() -> None:
    assert complaint(list[str], [0] * 100_000) == "data[0]: expected a string, got the number 0"
    assert complaint(dict[str, str], dict.fromkeys(map(str, range(100_000)), 0)).startswith("data.0: expected")


@pytest.mark.parametrize("into", [Node, object, dict[str, object], UserBalance])
def test_any_depth_of_nesting_gives_a_value_or_an_error(into: Any) -> None:
    for depth in (50, 200, 300, 400, 480, 900):
        for leaf in ('{"value": 1}', '{"value": NaN}', "{}"):
            opening, closing = '{"value": 1, "children": [', "]}"
            text = '{"code": 0, "data": %s}' % (opening * depth + leaf + closing * depth)
            try:
                answer = data(json.loads(text)["data"])
            except RecursionError:
                continue
            end = Call(Request("GET", "/thing", into)).run([answer])
            assert not isinstance(end, TriverseError) or isinstance(end, InvalidResponseError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*ADA, "plan_name", "balance", "frozen", "value", "children", "items", "cost", "page", "tags"])


@given(
    into=st.sampled_from(
        [UserInfo, UserBalance, Node, Priced, Page[int], Movie, list[Status], dict[str, Level], tuple[int, str], object]
    ),
    value=JSON | st.dictionaries(FIELDS, JSON) | st.lists(JSON, max_size=3),
)
def test_any_json_into_any_type_is_a_value_or_an_invalid_response(into: Any, value: object) -> None:
    end = Call(Request("GET", "/thing", into)).run([data(value)])
    assert not isinstance(end, TriverseError) or type(end) is InvalidResponseError


@given(JSON)
def test_plain_json_comes_through_as_it_is(value: object) -> None:
    end = Call(Request("GET", "/thing", object)).run([data(value)])
    if isinstance(end, TriverseError):
        assert "expected a finite number" in str(end)
    else:
        assert end.data == value
        json.dumps(value, allow_nan=False)
