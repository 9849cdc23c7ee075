"""The limits of a wait: its timeout, and Retry-After."""

from __future__ import annotations

import pytest
from support.pickles import repickled
from support.waits import DONE, UUID_TEXT, Script, SimulatedTask, Wait, api_error, created, failure_of, found, state

from triverse import AuthenticationError, ConnectionFailedError, DeadlineExceededError, RateLimitError


@pytest.mark.parametrize("retry_after", [1.5, 4.0, 100.0])
def test_retry_after_takes_precedence_over_the_schedule(retry_after: float) -> None:
    wait = Wait(Script(lambda: api_error(RateLimitError, 429, retry_after), found(DONE)), latency=lambda: 0.5)
    wait.run(poll_interval=30)
    assert wait.sent == [0, 0.5 + retry_after]


def test_retry_after_of_a_successful_response_counts_too() -> None:
    wait = Wait(Script(found(state(), {"Retry-After": "20"}), found(state(), {"Retry-After": "0"}), found(DONE)))
    wait.run()
    assert wait.sent == [0, 20, pytest.approx(21, abs=0.1)]


def test_a_retry_after_that_no_timer_accepts_is_a_week() -> None:
    wait = Wait(Script(found(state(), {"Retry-After": "9" * 20}), found(DONE)))
    assert wait.run(timeout=None).succeeded
    assert wait.sent == [0, 7 * 24 * 3600]


def test_a_retry_after_beyond_the_timeout_ends_the_wait_at_once() -> None:
    wait = Wait(Script(lambda: api_error(RateLimitError, 429, 100.0)))
    error = failure_of(wait, timeout=60)
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error.__cause__, RateLimitError)
    assert wait.sent == [0]


@pytest.mark.parametrize("timeout", [0.1, 1.0, 2.0, 3.0, 4.0, 10.0, 59.0, 600.0])
@pytest.mark.parametrize("latency", [0.0, 0.1, 2.0])
def test_the_last_poll_is_made_right_before_the_timeout(timeout: float, latency: float) -> None:
    for task in (UUID_TEXT, created()):
        wait = Wait(SimulatedTask(1e9).at, latency=lambda: latency, jitter=lambda: 0.5)
        error = failure_of(wait, task, timeout=timeout)
        assert isinstance(error, DeadlineExceededError)
        assert f"did not end within {timeout:g} s" in str(error)
        assert wait.sent
        assert wait.now <= timeout + 1e-6
        assert wait.sent[-1] >= timeout - max(2.2, 1.4 + 2 * latency)
        assert all(gap >= 1 for gap in wait.gaps())


@pytest.mark.parametrize("latency", [0.0, 40.0])
def test_a_timeout_of_zero_makes_one_poll(latency: float) -> None:
    for task in (UUID_TEXT, created()):
        assert Wait(Script(found(DONE)), latency=lambda: latency).run(task, timeout=0).succeeded
        wait = Wait(Script(found(state())), latency=lambda: latency)
        error = failure_of(wait, task, timeout=0)
        assert isinstance(error, DeadlineExceededError)
        assert (error.task, wait.sent, wait.updates) == (state(), [0], [state()])


def test_each_poll_is_one_attempt_that_ends_before_the_timeout() -> None:
    wait = Wait(SimulatedTask(1e9).at, latency=lambda: 0.2)
    failure_of(wait, timeout=20)
    for call, sent in zip(wait.calls, wait.sent, strict=True):
        assert call.max_retries == 0
        assert call.within == pytest.approx(20 - sent)


def test_the_error_of_a_timeout_names_the_request_and_the_last_state() -> None:
    error = failure_of(Wait(SimulatedTask(100.0).at), timeout=50)
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error, TimeoutError)
    assert (error.method, error.url) == ("GET", "https://api.example/tasks/x")
    assert str(error).startswith("GET https://api.example/tasks/x: the task did not end within 50 s (last status 'RUNN")
    assert error.task is not None
    assert error.task.status == "RUNNING"
    copy = repickled(error)
    assert (copy.task, copy.task_uuid, str(copy)) == (error.task, error.task_uuid, str(error))


def test_a_timeout_without_any_state_shows_the_last_error() -> None:
    error = failure_of(Wait(Script(lambda: ConnectionFailedError("the connection broke"))), timeout=5)
    assert error.task is None
    assert str(error.task_uuid) == UUID_TEXT
    assert str(error).startswith(f"GET /tasks/{UUID_TEXT}: the task did not end within 5 s (no state was received; the")
    assert "the connection broke" in str(error)
    assert isinstance(error.__cause__, ConnectionFailedError)


def test_the_task_that_was_passed_in_is_the_last_state_until_a_poll_returns_one() -> None:
    task = created()
    assert failure_of(Wait(Script(lambda: api_error(AuthenticationError, 401))), task).task == task
