"""When a watch looks, what it tells, and what it rides out: proved without a clock, a loop or a network."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from triverse import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    ServiceUnavailableError,
    TriverseError,
    UserBalance,
)
from triverse.api.polling import Poll, PollFlow, PollSchedule, poll_balance
from triverse.core.exchange import Runtime

QUIET = UserBalance(100, 0)
BUSY = UserBalance(70, 30)

TRANSIENT: list[TriverseError] = [
    ConnectionFailedError("no"),
    RequestTimeoutError("slow"),
    DeadlineExceededError("slower"),
    RateLimitError("wait", status_code=429),
    ServerError("oops", status_code=500),
    ServiceUnavailableError("down", status_code=503),
    APIError("late", status_code=408),
]
FINAL: list[TriverseError] = [
    AuthenticationError("who?", status_code=401),
    PermissionDeniedError("no", status_code=403),
    InvalidResponseError("what?", status_code=200),
    ConfigurationError("closed"),
    ServerError("not built", status_code=501),
]


@define
class World:
    """A clock that only waiting moves, a chance that is told, and one watch."""

    pace: PollSchedule = field(factory=lambda: PollSchedule.of(5.0, 1.0, 60.0))
    timeout: float = math.inf
    jitter: Iterator[float] = field(factory=lambda: iter(lambda: 0.0, 1.0))
    now: float = 1000.0
    waits: list[float] = field(factory=list[float])
    errors: list[TriverseError] = field(factory=list[TriverseError])

    def flow(self) -> PollFlow:
        runtime = Runtime(lambda: self.now, lambda: 0.0, lambda: next(self.jitter), str)
        return poll_balance(self.pace, runtime, timeout=self.timeout, on_error=self.errors.append)

    def run(self, *outcomes: UserBalance | TriverseError, took: float = 0.0) -> list[UserBalance]:
        """Answer each poll with the next outcome; gives what was news."""
        told: list[UserBalance] = []
        flow, answers = self.flow(), iter(outcomes)
        effect = next(flow)
        while True:
            if isinstance(effect, UserBalance):
                told.append(effect)
                effect = next(flow)
                continue
            self.waits.append(effect.after)
            answer = next(answers, None)
            if answer is None:
                return told
            self.now += effect.after + took
            effect = flow.send(answer)


def test_the_first_balance_is_asked_for_at_once_and_is_news() -> None:
    flow = World().flow()
    assert next(flow) == Poll(after=0.0)
    assert flow.send(QUIET) is QUIET


def test_only_a_balance_that_differs_is_news() -> None:
    assert World().run(QUIET, QUIET, BUSY, BUSY, QUIET) == [QUIET, BUSY, QUIET]


def test_looks_are_frequent_while_credits_are_frozen_and_rarer_while_nothing_moves() -> None:
    world = World()
    world.run(QUIET, QUIET, QUIET, BUSY, BUSY, QUIET, QUIET)
    assert world.waits == [0, 5, 7.5, 11.25, 1, 1, 5, 7.5]


def test_a_quiet_account_is_looked_at_no_less_than_once_in_the_longest_interval() -> None:
    world = World()
    world.run(*[QUIET] * 20)
    assert world.waits[-1] == 60


def test_chance_makes_a_pause_up_to_a_quarter_longer() -> None:
    world = World(jitter=iter([0.0, 0.5, 1.0]))
    world.run(BUSY, BUSY, BUSY)
    assert world.waits == [0, 1, 1.125, 1.25]


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_an_error_that_may_pass_is_ridden_out_with_a_pause_that_doubles_and_is_told_to_whoever_asks(
    error: TriverseError,
) -> None:
    world = World()
    assert world.run(QUIET, error, error, error, error, error, QUIET, BUSY) == [QUIET, BUSY]
    assert world.waits[:7] == [0, 5, 10, 20, 40, 60, 60]
    assert world.errors == [error] * 5


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_an_error_that_will_not_pass_ends_the_watch(error: TriverseError) -> None:
    with pytest.raises(type(error)) as caught:
        World().run(QUIET, error)
    assert caught.value is error


def test_the_service_says_how_long_to_wait_but_not_for_years() -> None:
    world = World()
    patient = RateLimitError("wait", status_code=429, retry_after=90.0)
    confused = RateLimitError("wait", status_code=429, retry_after=1e9)
    world.run(patient, confused, QUIET)
    assert world.waits[1:3] == [90.0, 3600.0]


def test_a_timeout_leaves_room_for_a_last_look_and_then_tells_the_last_balance() -> None:
    world = World(timeout=12.0)
    with pytest.raises(DeadlineExceededError, match=r"within 12 s \(last seen: 100 available, 0 frozen\)") as caught:
        world.run(*[QUIET] * 9, took=0.4)
    assert caught.value.balance == QUIET
    assert sum(world.waits) + 0.4 * len(world.waits) == pytest.approx(1012 - 1000, abs=0.5)


def test_a_timeout_without_any_balance_is_chained_to_the_error_that_came_instead() -> None:
    error = ConnectionFailedError("no route")
    with pytest.raises(DeadlineExceededError, match="no balance came") as caught:
        World(timeout=3.0).run(*[error] * 9)
    assert caught.value.balance is None
    assert caught.value.__cause__ is error


def test_a_wait_that_the_service_asks_for_and_that_does_not_fit_ends_it_at_once() -> None:
    world = World(timeout=30.0)
    with pytest.raises(DeadlineExceededError):
        world.run(QUIET, RateLimitError("wait", status_code=429, retry_after=60.0))
    assert world.waits == [0, 5]


def test_news_that_comes_at_the_last_moment_is_told_before_time_is_up() -> None:
    world = World(timeout=0.001)
    flow = world.flow()
    assert next(flow) == Poll(within=0.001)
    assert flow.send(QUIET) is QUIET
    with pytest.raises(DeadlineExceededError):
        next(flow)


balances = st.builds(UserBalance, st.sampled_from([0.0, 50.0, 100.0]), st.sampled_from([0.0, 30.0]))
outcomes = st.lists(balances | st.sampled_from(TRANSIENT), max_size=30)
chances = st.floats(0, 1, exclude_max=True)


@given(outcomes, chances, st.floats(0, 3))
def test_whatever_happens_pauses_stay_within_their_bounds_and_news_is_each_change(
    seen: list[UserBalance | TriverseError], chance: float, took: float
) -> None:
    world = World(jitter=iter(lambda: chance, 2.0))
    told = world.run(*seen, took=took)
    assert all(1.0 <= wait <= 60.0 for wait in world.waits[1:])
    read = [outcome for outcome in seen if isinstance(outcome, UserBalance)]
    assert told == [now for before, now in zip([None, *read], read, strict=False) if before != now]


@given(outcomes, chances, st.floats(0, 3), st.floats(0.01, 100))
def test_no_wait_and_no_call_goes_on_past_the_timeout(
    seen: list[UserBalance | TriverseError], chance: float, took: float, timeout: float
) -> None:
    world = World(jitter=iter(lambda: chance, 2.0), timeout=timeout)
    end = world.now + timeout
    flow, answers = world.flow(), iter(seen)
    effect = next(flow)
    while True:
        if isinstance(effect, UserBalance):
            try:
                effect = next(flow)
            except DeadlineExceededError:
                break
            continue
        assert world.now + effect.after + effect.within <= end + 1e-6
        assert effect.within > 0
        answer = next(answers, None)
        if answer is None:
            break
        world.now += effect.after + min(took, effect.within)
        try:
            effect = flow.send(answer)
        except DeadlineExceededError:
            break


@pytest.mark.parametrize(
    ("interval", "least", "most"),
    [
        *((useless, None, None) for useless in (0, -1, math.nan, math.inf, True)),
        *((5, 6, None), (5, None, 4), (5, 0, None), (5, None, math.inf)),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(interval: float, least: float | None, most: float | None) -> None:
    with pytest.raises(ConfigurationError):
        PollSchedule.of(interval, least, most)
