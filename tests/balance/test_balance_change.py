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
    ("before", "after", "amounts"),
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
def test_a_change_names_what_happened_to_the_credits(
    before: tuple[float, float], after: tuple[float, float], amounts: dict[str, float]
) -> None:
    result = change(before, after)
    found = {name: getattr(result, name) for name in ("frozen", "deducted", "released", "topped_up")}
    assert {name: amount for name, amount in found.items() if amount} == amounts


def test_deltas_have_no_float_noise() -> None:
    result = change((100.1, 0.0), (99.8, 0.3))
    assert (result.balance_delta, result.frozen_delta, result.frozen, result.total_delta) == (-0.3, 0.3, 0.3, 0.0)


@given(cents, cents, cents, cents)
def test_the_sums_of_a_change_agree_to_the_last_digit(a: float, b: float, c: float, d: float) -> None:
    result = change((a, b), (c, d))
    assert exact(a) + exact(result.released) + exact(result.topped_up) - exact(result.frozen) == exact(c)
    assert exact(b) + exact(result.frozen) - exact(result.deducted) - exact(result.released) == exact(d)
    assert exact(result.total_delta) == exact(result.balance_delta) + exact(result.frozen_delta)


events = st.lists(st.tuples(st.sampled_from(["freeze", "deduct", "release", "top up"]), st.integers(0, 1000)))


@given(st.integers(0, 1000), st.integers(0, 1000), events)
def test_a_change_never_reports_more_than_happened(start: int, held: int, happened: list[tuple[str, int]]) -> None:
    effects = {"freeze": (-1, 1), "deduct": (0, -1), "release": (1, -1), "top up": (1, 0)}
    balance = start + sum(effects[kind][0] * amount for kind, amount in happened)
    frozen = held + sum(effects[kind][1] * amount for kind, amount in happened)
    result = change((start, held), (balance, frozen))
    really = sum(amount for _, amount in happened)
    assert result.frozen + result.deducted + result.released + result.topped_up <= really


@given(finite, finite, finite, finite)
@example(1.7e308, 0.0, -1.7e308, 0.0)
def test_no_amount_of_a_change_is_negative(a: float, b: float, c: float, d: float) -> None:
    result = change((a, b), (c, d))
    amounts = (result.frozen, result.deducted, result.released, result.topped_up)
    assert all(amount >= 0 for amount in amounts)
    assert not any(math.isnan(number) for number in (result.balance_delta, result.frozen_delta, result.total_delta))


def test_the_total_has_no_float_noise() -> None:
    assert UserBalance(0.1, 0.2).total == 0.3
    assert UserBalance(1e308, 1e308).total == math.inf


@given(cents, cents)
def test_the_total_is_the_exact_sum_of_the_digits(available: float, frozen: float) -> None:
    assert exact(UserBalance(available, frozen).total) == exact(available) + exact(frozen)
