"""The polling flow without a clock, an event loop or a network: pauses, emitted balances and tolerated errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress

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
from triverse.api.polling import PollFlow, PollSchedule, PollTask, poll
from triverse.api.users import balance
from triverse.core.flow import Call, Emit, Notify
from triverse.core.headers import Headers
from triverse.core.response import Response
from triverse.core.runtime import Runtime

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


def found(result: UserBalance) -> Response[UserBalance]:
    return Response(result, 200, Headers(()), 1, 0.0)


def timed_out(timeout: float, last: UserBalance | None) -> TriverseError:
    return DeadlineExceededError(f"timed out after {timeout:g} s", balance=last)


@define
class Simulation:
    """One polling flow. Only pauses and calls move its clock, and the test chooses the jitter."""

    schedule: PollSchedule = field(factory=lambda: PollSchedule.of(5.0, 1.0, 60.0))
    timeout: float = math.inf
    jitter: Iterator[float] = field(factory=lambda: iter(lambda: 0.0, 1.0))
    done: Callable[[UserBalance], bool] | None = None
    on_error: bool = True
    now: float = 1000.0
    waits: list[float] = field(factory=list[float])
    errors: list[TriverseError] = field(factory=list[TriverseError])

    def flow(self) -> PollFlow[UserBalance]:
        runtime = Runtime(lambda: self.now, lambda: 0.0, lambda: next(self.jitter), str)
        task = PollTask(
            request=balance(),
            busy=lambda now: now.frozen > 0,
            done=self.done,
            timeout=self.timeout,
            timeout_error=timed_out,
            on_error=self.errors.append if self.on_error else None,
        )
        return poll(task, self.schedule, runtime)

    def run(self, *outcomes: UserBalance | TriverseError, took: float = 0.0) -> list[UserBalance]:
        """Give each call the next outcome. Return all emitted balances when there are no more outcomes."""
        emitted: list[UserBalance] = []
        flow, remaining = self.flow(), iter(outcomes)
        effect = next(flow)
        while True:
            outcome = None
            if isinstance(effect, Emit):
                emitted.append(effect.value)
            elif isinstance(effect, Notify):
                effect.callback(effect.value)
            else:
                self.waits.append(effect.after)
                result = next(remaining, None)
                if result is None:
                    return emitted
                self.now += effect.after + min(took, effect.within)
                outcome = result if isinstance(result, TriverseError) else found(result)
            effect = flow.send(outcome)


def test_the_first_poll_is_immediate_and_its_result_is_emitted() -> None:
    flow = Simulation().flow()
    assert next(flow) == Call(balance(), after=0.0)
    assert flow.send(found(QUIET)) == Emit(QUIET)


def test_only_results_that_differ_are_emitted() -> None:
    assert Simulation().run(QUIET, QUIET, BUSY, BUSY, QUIET) == [QUIET, BUSY, QUIET]


def test_polls_are_frequent_while_frozen_and_rarer_without_changes() -> None:
    simulation = Simulation()
    simulation.run(QUIET, QUIET, QUIET, BUSY, BUSY, QUIET, QUIET)
    assert simulation.waits == [0, 5, 7.5, 11.25, 1, 1, 5, 7.5]


def test_polls_without_changes_are_at_most_max_interval_apart() -> None:
    simulation = Simulation()
    simulation.run(*[QUIET] * 20)
    assert simulation.waits[-1] == 60


def test_jitter_makes_a_pause_up_to_a_quarter_longer() -> None:
    simulation = Simulation(jitter=iter([0.0, 0.5, 1.0]))
    simulation.run(BUSY, BUSY, BUSY)
    assert simulation.waits == [0, 1, 1.125, 1.25]


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_retryable_errors_double_the_pause_and_are_passed_to_on_error(error: TriverseError) -> None:
    simulation = Simulation()
    assert simulation.run(QUIET, error, error, error, error, error, QUIET, BUSY) == [QUIET, BUSY]
    assert simulation.waits[:7] == [0, 5, 10, 20, 40, 60, 60]
    assert simulation.errors == [error] * 5


def test_retryable_errors_are_tolerated_without_on_error_too() -> None:
    assert Simulation(on_error=False).run(QUIET, TRANSIENT[0], BUSY) == [QUIET, BUSY]


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_any_other_error_is_raised(error: TriverseError) -> None:
    with pytest.raises(type(error)) as caught:
        Simulation().run(QUIET, error)
    assert caught.value is error


def test_log_records_contain_no_text_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    private = ServiceUnavailableError("the account of ada@example.com is being moved", status_code=503)
    Simulation().run(private, ConnectionFailedError("no route to ada@example.com"), QUIET)
    assert [record.getMessage() for record in caplog.records] == [
        "Polling failed (HTTP 503); polling again in 10.00 s",
        "Polling failed (ConnectionFailedError); polling again in 20.00 s",
    ]


def test_retry_after_is_kept_up_to_an_hour() -> None:
    simulation = Simulation()
    patient = RateLimitError("wait", status_code=429, retry_after=90.0)
    confused = RateLimitError("wait", status_code=429, retry_after=1e9)
    simulation.run(patient, confused, QUIET)
    assert simulation.waits[1:3] == [90.0, 3600.0]


def test_a_result_that_ends_the_polling_is_returned_and_nothing_is_emitted() -> None:
    simulation = Simulation(done=lambda now: now == QUIET)
    with pytest.raises(StopIteration) as end:
        simulation.run(BUSY, BUSY, QUIET)
    assert end.value.value == QUIET
    assert simulation.waits == [0, 1, 1]


def test_a_timeout_allows_a_last_poll_and_has_the_last_result() -> None:
    simulation = Simulation(timeout=12.0)
    with pytest.raises(DeadlineExceededError, match="timed out after 12 s") as caught:
        simulation.run(*[QUIET] * 9, took=0.4)
    assert caught.value.balance == QUIET
    assert sum(simulation.waits) + 0.4 * len(simulation.waits) == pytest.approx(12, abs=0.5)


def test_a_timeout_without_any_result_has_the_last_error_as_its_cause() -> None:
    error = ConnectionFailedError("no route")
    with pytest.raises(DeadlineExceededError) as caught:
        Simulation(timeout=3.0).run(*[error] * 9)
    assert caught.value.balance is None
    assert caught.value.__cause__ is error


def test_a_retry_after_beyond_the_timeout_ends_polling_at_once() -> None:
    simulation = Simulation(timeout=30.0)
    with pytest.raises(DeadlineExceededError):
        simulation.run(QUIET, RateLimitError("wait", status_code=429, retry_after=60.0))
    assert simulation.waits == [0, 5]


def test_a_result_of_the_last_moment_is_emitted_before_the_timeout_error() -> None:
    flow = Simulation(timeout=0.001).flow()
    assert next(flow) == Call(balance(), within=0.001)
    assert flow.send(found(QUIET)) == Emit(QUIET)
    with pytest.raises(DeadlineExceededError):
        flow.send(None)


balances = st.builds(UserBalance, st.sampled_from([0.0, 50.0, 100.0]), st.sampled_from([0.0, 30.0]))
outcomes = st.lists(balances | st.sampled_from(TRANSIENT), max_size=30)
jitters = st.floats(0, 1, exclude_max=True)


@given(outcomes, jitters, st.floats(0, 3))
def test_pauses_stay_within_their_limits_and_each_change_is_emitted(
    results: list[UserBalance | TriverseError], jitter: float, took: float
) -> None:
    simulation = Simulation(jitter=iter(lambda: jitter, 2.0))
    emitted = simulation.run(*results, took=took)
    assert all(1.0 <= wait <= 60.0 for wait in simulation.waits[1:])
    read = [outcome for outcome in results if isinstance(outcome, UserBalance)]
    assert emitted == [now for before, now in zip([None, *read], read, strict=False) if before != now]


@given(outcomes, jitters, st.floats(0, 3), st.floats(0.01, 100))
def test_no_pause_and_no_call_continues_past_the_timeout(
    results: list[UserBalance | TriverseError], jitter: float, took: float, timeout: float
) -> None:
    simulation = Simulation(jitter=iter(lambda: jitter, 2.0), timeout=timeout)
    end = simulation.now + timeout
    with suppress(DeadlineExceededError):
        simulation.run(*results, took=took)
    assert simulation.now <= end + 1e-6


@pytest.mark.parametrize(
    ("interval", "least", "most"),
    [
        *((invalid, None, None) for invalid in (0, -1, math.nan, math.inf, True)),
        *((5, 6, None), (5, None, 4), (5, 0, None), (5, None, math.inf)),
    ],
)
def test_invalid_intervals_are_configuration_errors(interval: float, least: float | None, most: float | None) -> None:
    with pytest.raises(ConfigurationError):
        PollSchedule.of(interval, least, most)
