from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from triverse.core._read_only import ReadOnlyDict, ReadOnlyList, read_only

PLAIN: dict[str, object] = {"a": [1, {"b": None}, []], "c": {}}


def frozen() -> Any:
    return read_only(PLAIN)


def test_a_read_only_value_equals_the_plain_one() -> None:
    value = frozen()
    assert repr(value) == repr(PLAIN)
    assert value == PLAIN
    assert isinstance(value, dict)
    assert isinstance(value["a"], list)
    assert json.dumps(value) == json.dumps(PLAIN)


def test_every_level_is_read_only() -> None:
    value = frozen()
    assert [type(each) for each in (value, value["c"], value["a"][1])] == [ReadOnlyDict] * 3
    assert [type(each) for each in (value["a"], value["a"][2])] == [ReadOnlyList] * 2


@pytest.mark.parametrize("value", [None, True, 5, 2.5, "text"])
def test_scalars_stay_as_they_are(value: object) -> None:
    assert read_only(value) is value


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("__setitem__", ("a", 1)),
        ("__delitem__", ("a",)),
        ("__ior__", ({"a": 1},)),
        ("clear", ()),
        ("pop", ("a",)),
        ("popitem", ()),
        ("setdefault", ("d", 1)),
        ("update", ({"a": 1},)),
    ],
)
def test_every_change_of_an_object_is_refused(method: str, arguments: tuple[object, ...]) -> None:
    value = frozen()
    with pytest.raises(TypeError, match=r"^ReadOnlyDict cannot be changed: change a copy of it, as \.copy\(\) returns"):
        getattr(value, method)(*arguments)
    assert value == PLAIN


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("__setitem__", (0, 1)),
        ("__delitem__", (0,)),
        ("__iadd__", ([1],)),
        ("__imul__", (2,)),
        ("append", (1,)),
        ("clear", ()),
        ("extend", ([1],)),
        ("insert", (0, 1)),
        ("pop", ()),
        ("remove", (1,)),
        ("reverse", ()),
        ("sort", ()),
    ],
)
def test_every_change_of_an_array_is_refused(method: str, arguments: tuple[object, ...]) -> None:
    value = frozen()
    with pytest.raises(TypeError, match=r"^ReadOnlyList cannot be changed: change a copy of it, as \.copy\(\) returns"):
        getattr(value["a"], method)(*arguments)
    assert value == PLAIN


def test_a_copy_by_its_own_method_can_be_changed() -> None:
    value = frozen()
    changed = value.copy()
    changed["d"] = value["a"].copy()
    changed["d"].append(2)
    assert value == PLAIN


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_and_copies_are_read_only_too(protocol: int) -> None:
    for again in (pickle.loads(pickle.dumps(frozen(), protocol)), copy.copy(frozen()), copy.deepcopy(frozen())):  # noqa: S301 - bytes of this test
        assert again == PLAIN
        assert [type(again), type(again["a"]), type(again["a"][1])] == [ReadOnlyDict, ReadOnlyList, ReadOnlyDict]
