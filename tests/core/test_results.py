from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
import math
import pickle
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import Call, data, reply

from triverse import (
    AccountBalance,
    BalanceChange,
    ConfigurationError,
    InvalidResponseError,
    Response,
    UserBalance,
    UserInfo,
)
from triverse.api import users
from triverse.core.result import Result

ADA = UserInfo(
    id=UUID("0b9d2c9e-6f5c-4c5e-9f5e-1f1f6a0a7b11"),
    email="ada@example.com",
    web_credits_balance=1.0,
    api_credits_balance=2.5,
    plan_name=None,
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def balance_with(**more: object) -> UserBalance:
    return Call(users.balance()).response(data({"balance": 100.5, "frozen": 2, **more})).data


@pytest.mark.parametrize("result", [ADA, UserBalance(1.0, 2.0), balance_with(bonus=[1])])
def test_a_result_is_an_immutable_value(result: Result) -> None:
    for field in attrs.fields(type(result)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(result, field.name, 5)
    with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
        result.anything = 5  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # the point
    for again in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):  # noqa: S301 - our own bytes
        assert again == result
        assert hash(again) == hash(result)
        assert again.extra == result.extra


def test_results_are_equal_when_their_fields_are() -> None:
    assert UserBalance(1, 2) == UserBalance(1.0, 2.0)
    assert UserBalance(1, 2) != UserBalance(1, 3)
    assert attrs.evolve(ADA, email="eve@example.com") != ADA


def test_fields_are_given_in_order_or_by_name() -> None:
    assert UserBalance(1.0, 2.0) == UserBalance(frozen=2.0, balance=1.0)
    assert UserInfo(ADA.id, "ada@example.com", 1.0, 2.5) == ADA


def test_a_repr_reads_like_the_constructor() -> None:
    assert repr(balance_with(bonus=1)) == "UserBalance(balance=100.5, frozen=2.0)"


def test_extra_is_kept_but_no_part_of_equality() -> None:
    with_bonus = balance_with(bonus={"of": "may"})
    assert with_bonus.extra == {"bonus": {"of": "may"}}
    assert with_bonus == balance_with()
    assert hash(with_bonus) == hash(balance_with())
    assert UserBalance(1.0, 2.0).extra == {}


def test_extra_is_read_only_at_every_level() -> None:
    result = balance_with(bonus={"of": ["may"]})
    for change in ('extra["bonus"] = 2', 'extra["bonus"]["of"] = 2', 'extra["bonus"]["of"].append("june")'):
        with pytest.raises(TypeError, match="cannot be changed"):
            exec(change, {"extra": result.extra})  # noqa: S102 - statements of a table
    assert result.extra == {"bonus": {"of": ["may"]}}


def test_later_changes_by_the_caller_do_not_change_extra() -> None:
    passed: dict[str, object] = {"bonus": [1]}
    result = UserBalance(1.0, 2.0, extra=passed)
    passed["bonus"] = 2
    assert result.extra == {"bonus": [1]}


def test_extra_can_be_sent_as_json() -> None:
    assert json.dumps(balance_with(bonus=[1]).extra) == '{"bonus": [1]}'


# --- Conversion ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Inner:
    value: float


@attrs.frozen
class Finished(Result):
    id: UUID
    at: dt.datetime
    part: UserBalance
    tags: frozenset[str] = frozenset()
    path: Path = Path("a/b")
    inner: Inner | None = None
    _private: int = attrs.field(default=0, alias="private")


def test_a_result_converts_to_plain_json_values() -> None:
    assert ADA.to_dict() == {
        "id": "0b9d2c9e-6f5c-4c5e-9f5e-1f1f6a0a7b11",
        "email": "ada@example.com",
        "web_credits_balance": 1.0,
        "api_credits_balance": 2.5,
        "plan_name": None,
    }
    finished = Finished(
        ADA.id,
        dt.datetime(2026, 6, 1, 8, 15, 30, 5000, dt.UTC),
        balance_with(bonus=[1]),
        frozenset({"a"}),
        inner=Inner(1.5),
        private=5,
        extra={"more": {"a": [1]}},
    )
    assert finished.to_dict() == {
        "id": "0b9d2c9e-6f5c-4c5e-9f5e-1f1f6a0a7b11",
        "at": "2026-06-01T08:15:30.005000Z",
        "part": {"balance": 100.5, "frozen": 2.0, "bonus": [1]},
        "tags": ["a"],
        "path": "a/b",
        "inner": {"value": 1.5},
        "more": {"a": [1]},
    }
    assert json.loads(finished.to_json()) == finished.to_dict()


def test_a_dict_of_a_result_can_be_changed() -> None:
    result = balance_with(bonus={"of": ["may"]})
    made: Any = result.to_dict()
    made["bonus"]["of"].append("june")
    assert result.extra == {"bonus": {"of": ["may"]}}


def test_a_known_field_replaces_an_unknown_one_of_the_same_name() -> None:
    assert UserBalance(1.0, 2.0, extra={"balance": 5}).to_dict() == {"balance": 1.0, "frozen": 2.0}
    # Lenient results keep a field of the wrong type in `extra`.
    without_plan = attrs.evolve(ADA, extra={"plan_name": 5})
    assert without_plan.to_dict()["plan_name"] == 5


def test_json_text_is_not_escaped() -> None:
    assert (
        attrs.evolve(ADA, email="ädä")
        .to_json()
        .startswith('{"id": "0b9d2c9e-6f5c-4c5e-9f5e-1f1f6a0a7b11", "email": "ädä"')
    )


def test_a_balance_change_and_an_account_convert_too() -> None:
    change = UserBalance(8.0, 0.0).change_since(UserBalance(10.0, 0.0))
    assert change.to_dict()["deducted"] == 2.0
    assert AccountBalance("a", UserBalance(1.0, 2.0)).to_dict() == {
        "name": "a",
        "balance": {"balance": 1.0, "frozen": 2.0},
        "error": None,
    }
    failed = AccountBalance("b", error=ConfigurationError("no key"))
    assert json.loads(failed.to_json()) == {"name": "b", "balance": None, "error": "no key"}


def test_values_that_json_cannot_hold_are_replaced_in_a_dict_of_a_result() -> None:
    result = UserBalance(math.nan, 0.0, extra={"limit": math.inf, "huge": 10**400, "text": ["half \ud800"]})
    plain = {"balance": None, "frozen": 0.0, "limit": None, "huge": 10**400, "text": ["half ?"]}
    assert result.to_dict() == plain
    assert json.loads(result.to_json()) == plain


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_unknown_fields_may_have_a_hundred_levels(opening: str, closing: str) -> None:
    for levels in (100, 101, 300, 900):
        end = "null" if opening == '{"a":' else ""
        text = f'{{"balance": 1, "frozen": 2, "deep": {opening * levels}{end}{closing * levels}}}'
        call = Call(users.balance())
        if levels == 100:
            result = call.response(data(json.loads(text))).data
            assert json.loads(result.to_json()) == json.loads(text)
        else:
            body = f'{{"code": 0, "data": {text}}}'.encode()
            error = call.error(reply(body=body))
            assert isinstance(error, InvalidResponseError)
            assert error.path == "data.deep"
            assert "nested more than 100 levels deep" in str(error)


def test_an_object_that_json_cannot_hold_is_named_by_the_result_and_the_field() -> None:
    with pytest.raises(ConfigurationError, match=r"^UserBalance\.made cannot be sent as JSON: JSON has no form for "):
        UserBalance(1.0, 2.0, extra={"made": object()}).to_dict()


def test_dict_of_a_result_is_its_to_dict() -> None:
    result = balance_with(bonus=1)
    assert dict(result) == {**result} == result.to_dict()
    assert list(result.keys()) == ["balance", "frozen", "bonus"]
    assert result["bonus"] == 1
    with pytest.raises(KeyError):
        result["nothing"]


def test_a_result_cannot_be_iterated_over_by_mistake() -> None:
    with pytest.raises(TypeError, match="UserBalance"):
        list(balance_with())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # the point


@pytest.mark.parametrize("cls", [UserInfo, UserBalance, Finished, BalanceChange, AccountBalance])
def test_type_hints_of_a_constructor_can_be_resolved(cls: Any) -> None:
    hints = get_type_hints(cls.__init__)
    assert hints.keys() >= {field.alias for field in attrs.fields(cls)}
    if issubclass(cls, Result):
        assert hints["extra"] == Mapping[str, object]


def test_type_hints_of_a_users_own_result_can_be_resolved() -> None:
    @attrs.frozen
    class Own(Result):
        size: int

    assert get_type_hints(Own.__init__) == {"size": int, "extra": Mapping[str, object], "return": type(None)}


def test_extra_survives_a_change_of_fields() -> None:
    assert attrs.evolve(balance_with(bonus=1), frozen=9.0).extra == {"bonus": 1}


@given(FINITE, FINITE)
def test_total_is_available_and_frozen_together(balance: float, frozen: float) -> None:
    try:
        exact = float(Fraction(repr(balance)) + Fraction(repr(frozen)))
    except OverflowError:
        exact = math.copysign(math.inf, balance)
    assert UserBalance(balance, frozen).total == exact


def test_total_has_no_noise_of_floats() -> None:
    assert UserBalance(0.1, 0.2).total == 0.3


@given(FINITE, FINITE, FINITE)
def test_a_balance_covers_at_most_the_available_credits(balance: float, frozen: float, cost: float) -> None:
    assert UserBalance(balance, frozen).covers(cost) is (balance >= cost)


def test_a_balance_covers_exactly_itself_but_not_frozen_credits() -> None:
    balance = UserBalance(100.0, 50.0)
    assert balance.covers(100)
    assert not balance.covers(math.nextafter(100.0, math.inf))


def test_a_response_is_a_value_too() -> None:
    response = Call(users.balance()).response(data({"balance": 1, "frozen": 2}))
    assert isinstance(response, Response)
    assert response == pickle.loads(pickle.dumps(response))  # noqa: S301 - our own bytes
    assert hash(response) == hash(copy.deepcopy(response))
