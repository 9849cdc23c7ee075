from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from triverse import ConfigurationError, ConflictError, InsufficientCreditsError, UserBalance
from triverse.sandbox import Account, Hold, Sandbox

AMOUNTS = st.floats(min_value=0, max_value=1e6) | st.integers(min_value=0, max_value=10**6)


def account_with(api_credits: float) -> Account:
    return Sandbox().add_account(api_credits=api_credits)


def exact(amount: float) -> Fraction:
    return Fraction(str(amount))


class CreditsOverAnySequence(RuleBasedStateMachine):
    """After each step, the credits equal exact sums."""

    running: Bundle[Hold] = Bundle("running")
    settled: Bundle[Hold] = Bundle("settled")

    @initialize(credits_at_first=AMOUNTS)
    def open_account(self, credits_at_first: float) -> None:
        self.account = account_with(credits_at_first)
        self.bought = exact(credits_at_first)
        self.spent = Fraction(0)
        self.held = Fraction(0)

    @rule(amount=AMOUNTS)
    def buy(self, amount: float) -> None:
        self.account.top_up(amount)
        self.bought += exact(amount)

    @rule(target=running, part=st.floats(min_value=0, max_value=1))
    def start(self, part: float) -> Hold:
        cost = min(self.account.balance.balance * part, float(self.bought - self.spent - self.held))
        if exact(cost) > self.bought - self.spent - self.held:
            cost = 0.0  # the float was rounded up and exceeds the available credits
        hold = self.account.freeze(cost)
        self.held += exact(cost)
        return hold

    @rule(excess=st.floats(min_value=1, max_value=1e6))
    def start_too_much(self, excess: float) -> None:
        with pytest.raises(InsufficientCreditsError):
            self.account.freeze(self.account.balance.balance + excess)

    @rule(target=settled, hold=consumes(running))
    def succeed(self, hold: Hold) -> Hold:
        hold.succeed()
        self.held -= exact(hold.cost)
        self.spent += exact(hold.cost)
        return hold

    @rule(target=settled, hold=consumes(running), cancelled=st.booleans())
    def come_to_nothing(self, hold: Hold, *, cancelled: bool) -> Hold:
        (hold.cancel if cancelled else hold.fail)()
        self.held -= exact(hold.cost)
        return hold

    @rule(hold=settled, again=st.sampled_from(["succeed", "fail", "cancel"]))
    def settle_again(self, hold: Hold, again: str) -> None:
        with pytest.raises(ConflictError):
            getattr(hold, again)()

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        available = self.bought - self.spent - self.held
        assert self.account.balance == UserBalance(balance=float(available), frozen=float(self.held))

    @invariant()
    def nothing_is_negative(self) -> None:
        assert self.account.balance.balance >= 0
        assert self.account.balance.frozen >= 0

    @invariant()
    def both_endpoints_agree(self) -> None:
        assert self.account.info.api_credits_balance == self.account.balance.balance


CreditsOverAnySequence.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestCreditsOverAnySequence = CreditsOverAnySequence.TestCase


def test_starting_a_task_freezes_its_cost() -> None:
    account = account_with(100)
    assert account.freeze(30).cost == 30
    assert account.balance == UserBalance(balance=70.0, frozen=30.0)


def test_a_task_that_succeeds_is_paid() -> None:
    account = account_with(100)
    account.freeze(30).succeed()
    assert account.balance == UserBalance(balance=70.0, frozen=0.0)


@pytest.mark.parametrize("end", [Hold.fail, Hold.cancel])
def test_a_task_that_fails_or_is_cancelled_costs_nothing(end: object) -> None:
    account = account_with(100)
    assert callable(end)
    end(account.freeze(30))
    assert account.balance == UserBalance(balance=100.0, frozen=0.0)


def test_freezing_more_than_is_available_is_the_services_own_error() -> None:
    account = account_with(100)
    account.freeze(60)
    with pytest.raises(InsufficientCreditsError) as caught:
        account.freeze(40.01)
    assert (caught.value.code, caught.value.status_code) == (2010, 403)
    assert caught.value.suggestion
    assert account.balance == UserBalance(balance=40.0, frozen=60.0)


def test_a_hold_settles_once() -> None:
    hold = account_with(100).freeze(30)
    hold.succeed()
    with pytest.raises(ConflictError) as caught:
        hold.cancel()
    assert caught.value.code == 2005


def test_a_tenth_ten_times_is_one() -> None:
    account = account_with(1)
    for _ in range(10):
        account.freeze(0.1).succeed()
    assert account.balance == UserBalance(balance=0.0, frozen=0.0)


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, 1e300, True, "10"])
def test_an_amount_that_is_no_number_of_credits_is_refused(amount: float) -> None:
    account = account_with(100)
    for use in (account.freeze, account.top_up, account_with):
        with pytest.raises(ConfigurationError, match="credits are a number"):
            use(amount)
    assert account.balance == UserBalance(balance=100.0, frozen=0.0)


def test_threads_never_spend_the_same_credit_twice() -> None:
    account = account_with(50)

    def spend(_: int) -> bool:
        try:
            account.freeze(1).succeed()
        except InsufficientCreditsError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(spend, range(200))) == 50
    assert account.balance == UserBalance(balance=0.0, frozen=0.0)
