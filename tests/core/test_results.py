from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import Call, data

from triverse import Response, UserBalance, UserInfo
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


def test_extra_is_read_only() -> None:
    extra = balance_with(bonus=1).extra
    with pytest.raises(TypeError):
        extra["bonus"] = 2  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # the point


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
def test_a_balance_covers_what_is_no_more_than_available(balance: float, frozen: float, cost: float) -> None:
    assert UserBalance(balance, frozen).covers(cost) is (balance >= cost)


def test_a_balance_covers_exactly_itself_but_not_what_is_frozen() -> None:
    balance = UserBalance(100.0, 50.0)
    assert balance.covers(100)
    assert not balance.covers(math.nextafter(100.0, math.inf))


def test_a_response_is_a_value_too() -> None:
    response = Call(users.balance()).response(data({"balance": 1, "frozen": 2}))
    assert isinstance(response, Response)
    assert response == pickle.loads(pickle.dumps(response))  # noqa: S301 - our own bytes
    assert hash(response) == hash(copy.deepcopy(response))
