from __future__ import annotations

import json
import math
import sys
from array import array
from collections import OrderedDict, UserDict, UserString, deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import reduce
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triverse import ConfigurationError
from triverse.core._read_only import read_only
from triverse.core.json_values import to_plain_json


class Colour(StrEnum):
    RED = "red"


class OldColour(str, Enum):  # noqa: UP042 - its str() is its name, not its value
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Pair(Enum):
    BOTH = ("a", "b")


class Broken(Mapping[str, object]):
    def __getitem__(self, name: str) -> object:
        raise OSError

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class Words(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


CONVERTED: list[tuple[object, object]] = [
    (None, None),
    (True, True),
    (5, 5),
    (2.5, 2.5),
    ("ä", "ä"),
    (Words("a"), "a"),
    (UserString("a"), "a"),
    (Colour.RED, "red"),
    (OldColour.RED, "red"),
    (Level.LOW, 1),
    (Pair.BOTH, ["a", "b"]),
    ((1, 2), [1, 2]),
    (range(3), [0, 1, 2]),
    (deque([1]), [1]),
    (array("d", [1.5]), [1.5]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (UserDict(a=UserDict(b=1)), {"a": {"b": 1}}),
    (OrderedDict(a=(1,)), {"a": [1]}),
    ({Colour.RED: 1, OldColour.RED: 2}, {"red": 2}),
    (read_only({"a": [None]}), {"a": [None]}),
    (2**1023, 2**1023),
    ([[], [], {}], [[], [], {}]),
]


@pytest.mark.parametrize(("value", "plain"), CONVERTED)
def test_every_value_that_json_can_hold_becomes_plain(value: object, plain: object) -> None:
    converted = to_plain_json(value)
    assert converted == plain
    assert types(converted) == types(plain)


def types(value: Any) -> list[object]:
    """Return the types of a value and of all that it contains."""
    kind = cast("Any", type(value))
    members = [*value, *value.values()] if kind is dict else value if kind is list else ()
    return [kind, *map(types, members)]


def test_the_same_container_may_occur_twice() -> None:
    shared = [1]
    assert to_plain_json([shared, {"a": shared}]) == [[1], {"a": [1]}]


NESTED: list[object] = reduce(lambda inner, _: [inner], range(100), list[object]())
CYCLE: dict[str, object] = {"a": []}
CYCLE["a"] = [CYCLE]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"x", "json cannot be sent as JSON: JSON has no form for the type bytes"),
        ({"a": [memoryview(b"x")]}, "json.a[0] cannot be sent as JSON: JSON has no form for the type memoryview"),
        ({"a": {1}}, "json.a cannot be sent as JSON: JSON has no form for the type set"),
        ([UUID(int=1)], "json[0] cannot be sent as JSON: JSON has no form for the type UUID"),
        (Decimal(1), "json cannot be sent as JSON: JSON has no form for the type Decimal"),
        (iter([1]), "json cannot be sent as JSON: JSON has no form for the type list_iterator"),
        ({"a": math.nan}, "json.a cannot be sent as JSON: NaN and Infinity are no JSON numbers"),
        ([0, -math.inf], "json[1] cannot be sent as JSON: NaN and Infinity are no JSON numbers"),
        ({"a": 2**1024}, "json.a cannot be sent as JSON: the number is too large"),
        ({"a": 10**5000}, "json.a cannot be sent as JSON: the number is too large"),
        (
            {"a": "\ud800"},
            "json.a cannot be sent as JSON: the text contains a lone surrogate, which UTF-8 cannot encode",
        ),
        (
            {"a": {5: 1}},
            "json.a cannot be sent as JSON: an object has a name of type int, and JSON only allows text",
        ),
        (
            {Level.LOW: 1},
            "json cannot be sent as JSON: an object has a name of type Level, and JSON only allows text",
        ),
        ({"a": Broken()}, "json.a cannot be sent as JSON: its members cannot be read (OSError)"),
        (NESTED, f"json{'[0]' * 100} cannot be sent as JSON: it is nested more than 100 levels deep"),
        (CYCLE, "json.a[0] cannot be sent as JSON: it contains itself"),
    ],
)
def test_a_value_that_json_cannot_hold_is_named_by_its_path(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        to_plain_json(value)
    assert str(caught.value) == message
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_stack_that_is_nearly_full_is_a_configuration_error() -> None:
    def deeper(levels: int) -> object:
        return deeper(levels - 1) if levels else to_plain_json(NESTED[0])

    messages: list[str] = []
    for levels in range(sys.getrecursionlimit(), 0, -50):
        try:
            assert deeper(levels) == NESTED[0]
        except RecursionError:
            continue
        except ConfigurationError as error:
            messages.append(str(error))
    assert messages
    problem = " cannot be sent as JSON: it is nested too deep for what is left of Python's stack"
    assert all(message.endswith(problem) for message in messages)


def test_other_types_are_converted_by_the_given_function() -> None:
    def convert(value: object) -> object:
        return str(value) if isinstance(value, UUID) else [value] if isinstance(value, Decimal) else value

    assert to_plain_json({"id": UUID(int=1)}, convert=convert) == {"id": "00000000-0000-0000-0000-000000000001"}
    with pytest.raises(
        ConfigurationError, match=r"^body\[0\] cannot be sent as JSON: JSON has no form for the type set$"
    ):
        to_plain_json([set[int]()], "body", convert=convert)
    with pytest.raises(ConfigurationError, match="it contains itself"):
        to_plain_json(Decimal(1), convert=convert)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5) | st.binary(),
        lambda children: (
            st.lists(children, max_size=3)
            | st.lists(children, max_size=3).map(tuple)
            | st.dictionaries(st.text(max_size=5) | st.integers(), children, max_size=3).map(MappingProxyType)
        ),
        max_leaves=8,
    )
)
def test_any_value_is_converted_or_refused(value: object) -> None:
    try:
        plain = to_plain_json(value)
    except ConfigurationError:
        return
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
