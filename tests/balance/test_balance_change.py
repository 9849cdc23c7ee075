from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triverse import BalanceChange, UserBalance

finite = st.floats(allow_nan=False, allow_infinity=False)
cents = st.decimals(0, 10**9, places=2).map(float)


def change(before: tuple[float, float], after: tuple[float, float]) -> BalanceChange:
    return UserBalance(*after).change_since(UserBalance(*before))


def exact(amount: float) -> Fraction:
    return Fraction(repr(amount))


@pytest.mark.parametrize(
    ("before", "after", "story"),
    [
        ((100, 0), (100, 0), {}),
        ((100, 0), (70, 30), {"frozen": 30}),
        ((70, 30), (70, 0), {"deducted": 30}),
        ((70, 30), (100, 0), {"released": 30}),
        ((70, 30), (120, 30), {"topped_up": 50}),
        ((70, 30), (60, 10), {"frozen": 10, "deducted": 30}),
        ((70, 30), (80, 10), {"released": 10, "deducted": 10}),
        ((70, 30), (130, 20), {"released": 10, "topped_up": 50}),
        ((70, 30), (110, 40), {"frozen": 10, "topped_up": 50}),
    ],
)
def test_each_turn_in_the_life_of_a_credit_is_told_by_its_name(
    before: tuple[float, float], after: tuple[float, float], story: dict[str, float]
) -> None:
    told = change(before, after)
    amounts = {name: getattr(told, name) for name in ("frozen", "deducted", "released", "topped_up")}
    assert {name: amount for name, amount in amounts.items() if amount} == story


def test_deltas_have_the_digits_that_the_service_sends_and_no_noise_of_floats() -> None:
    told = change((100.1, 0.0), (99.8, 0.3))
    assert (told.balance_delta, told.frozen_delta, told.frozen, told.total_delta) == (-0.3, 0.3, 0.3, 0.0)


@given(cents, cents, cents, cents)
def test_the_sums_of_a_change_agree_to_the_last_digit(a: float, b: float, c: float, d: float) -> None:
    told = change((a, b), (c, d))
    assert exact(a) + exact(told.released) + exact(told.topped_up) - exact(told.frozen) == exact(c)
    assert exact(b) + exact(told.frozen) - exact(told.deducted) - exact(told.released) == exact(d)
    assert exact(told.total_delta) == exact(told.balance_delta) + exact(told.frozen_delta)


events = st.lists(st.tuples(st.sampled_from(["freeze", "deduct", "release", "top up"]), st.integers(0, 1000)))


@given(st.integers(0, 1000), st.integers(0, 1000), events)
def test_no_story_is_larger_than_what_really_happened(start: int, held: int, happened: list[tuple[str, int]]) -> None:
    effects = {"freeze": (-1, 1), "deduct": (0, -1), "release": (1, -1), "top up": (1, 0)}
    balance = start + sum(effects[kind][0] * amount for kind, amount in happened)
    frozen = held + sum(effects[kind][1] * amount for kind, amount in happened)
    told = change((start, held), (balance, frozen))
    really = sum(amount for _, amount in happened)
    assert told.frozen + told.deducted + told.released + told.topped_up <= really


@given(finite, finite, finite, finite)
@example(1.7e308, 0.0, -1.7e308, 0.0)
def test_any_two_balances_have_a_change_and_no_amount_in_it_is_below_zero(
    a: float, b: float, c: float, d: float
) -> None:
    told = change((a, b), (c, d))
    amounts = (told.frozen, told.deducted, told.released, told.topped_up)
    assert all(amount >= 0 for amount in amounts)
    assert not any(math.isnan(number) for number in (told.balance_delta, told.frozen_delta, told.total_delta))
