from __future__ import annotations

import itertools
import logging
from traceback import walk_tb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import Call, balance_call, data, reply, unreachable

from triverse import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InsufficientCreditsError,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    Request,
    RequestTimeoutError,
    Response,
    ServerError,
    ServiceUnavailableError,
    Timeout,
    TransportError,
    TriverseError,
    UserBalance,
)
from triverse.api import users
from triverse.core.attempt import Attempt, FailureKind, Outcome
from triverse.core.exchange import exchange, outcome_error
from triverse.core.options import Policy
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret

POST = Request("POST", "/tasks", object, json={"prompt": "a chair"})
ORDERED = Request("POST", "/tasks", object, json={"prompt": "a chair", "client_order_id": "order-1"})
KEY = Secret("tri-0123456789abcdef")


def test_a_success_has_every_field_of_a_response() -> None:
    call = balance_call(seconds_per_attempt=0.25)
    response = call.response(reply(headers={"X-Request-Id": "abc", "Server": "x"}))
    assert response.data == UserBalance(100.5, 2.0)
    assert (response.status_code, response.attempts, response.elapsed) == (200, 1, 0.25)
    assert response.request_id == "abc"
    assert dict(response.headers) == {"x-request-id": "abc", "server": "x"}


def test_the_first_attempt_has_no_wait_but_request_deadline_and_timeouts() -> None:
    call = balance_call(Policy(deadline=5.0, timeout=Timeout(read=3.0)))
    call.response(reply())
    (attempt,) = call.attempts
    assert attempt.request is users.balance()
    assert (attempt.after, attempt.number, attempt.deadline) == (0.0, 1, 1005.0)
    assert attempt.timeout == Timeout(read=3.0)


def test_the_clock_of_the_deadline_starts_once_for_all_attempts() -> None:
    call = balance_call(Policy(deadline=50.0), seconds_per_attempt=3.0)
    call.response(reply(503), reply(503), reply())
    assert [attempt.deadline for attempt in call.attempts] == [1050.0, 1050.0, 1050.0]
    assert [attempt.number for attempt in call.attempts] == [1, 2, 3]
    assert {attempt.timeout for attempt in call.attempts} == {Timeout()}


def test_elapsed_includes_the_waits() -> None:
    response = balance_call(seconds_per_attempt=1.0).response(reply(503, headers={"Retry-After": "7"}), reply())
    assert (response.attempts, response.elapsed) == (2, 9.0)


def test_without_a_deadline_attempts_have_none() -> None:
    call = balance_call(Policy(deadline=None))
    call.response(reply())
    assert call.attempts[0].deadline is None


# --- Which failures are retried -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_these_statuses_are_tried_again(status: int) -> None:
    response = balance_call().response(reply(status), reply(status), reply())
    assert response.attempts == 3


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 307, 400, 401, 402, 403, 404, 405, 409, 418, 422, 425, 451, 501, 505, 599, 600]
)
def test_no_other_status_is_tried_again(status: int) -> None:
    call = balance_call()
    assert isinstance(call.error(reply(status)), APIError)
    assert len(call.attempts) == 1


@pytest.mark.parametrize("failure", [f for f in FailureKind if f.repeatable])
def test_a_broken_or_missing_connection_and_a_timeout_are_tried_again(failure: FailureKind) -> None:
    assert balance_call().response(unreachable(failure), unreachable(failure), reply()).attempts == 3


def test_an_error_of_unknown_kind_is_not_tried_again() -> None:
    call = balance_call()
    cause = KeyError("from a hook")
    error = call.error(unreachable(FailureKind.OTHER, cause))
    assert type(error) is TransportError
    assert error.cause is cause
    assert len(call.attempts) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"code": 0}', b'{"code": 0, "data": {"balance": null}}'])
def test_a_bad_response_body_is_not_tried_again(body: bytes) -> None:
    call = balance_call()
    assert isinstance(call.error(reply(body=body)), InvalidResponseError)
    assert len(call.attempts) == 1


def test_an_oversized_failure_is_not_tried_again() -> None:
    call = balance_call()
    assert isinstance(call.error(reply(503, body=b" " * (8 * 1024 * 1024 + 1))), InvalidResponseError)
    assert len(call.attempts) == 1


def test_an_error_under_a_success_status_is_not_tried_again() -> None:
    call = balance_call()
    error = call.error(reply(200, {"code": 2000, "message": "too fast"}))
    assert isinstance(error, RateLimitError)
    assert error.status_code == 200
    assert len(call.attempts) == 1


@pytest.mark.parametrize("max_retries", [0, 1, 2, 7])
def test_there_are_at_most_max_retries_more_attempts(max_retries: int) -> None:
    call = balance_call(Policy(max_retries=max_retries))
    error = call.error(*[reply(503)] * (max_retries + 1))
    assert isinstance(error, ServiceUnavailableError)
    assert len(call.attempts) == max_retries + 1


def test_the_last_error_is_the_one_that_is_raised() -> None:
    error = balance_call().error(reply(503), unreachable(), reply(429, headers={"X-Request-Id": "last"}))
    assert isinstance(error, RateLimitError)
    assert error.request_id == "last"


# --- Which requests may be sent twice ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_idempotent_methods_are_retried_after_every_failure(method: str) -> None:
    assert Call(Request(method, "/thing", object)).response(unreachable(FailureKind.TIMEOUT), reply()).attempts == 2
    assert Call(Request(method, "/thing", object)).response(reply(500), reply()).attempts == 2


@pytest.mark.parametrize(
    "outcome", [reply(429), reply(500), unreachable(FailureKind.BROKEN), unreachable(FailureKind.TIMEOUT)]
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_other_methods_are_not_tried_again_once_they_may_have_arrived(method: str, outcome: Outcome) -> None:
    call = Call(Request(method, "/thing", object))
    call.error(outcome)
    assert len(call.attempts) == 1


@pytest.mark.parametrize("failure", [FailureKind.NOT_SENT, FailureKind.CONNECT_TIMEOUT])
def test_a_request_that_was_surely_not_sent_is_retried_if_not_idempotent(failure: FailureKind) -> None:
    assert Call(POST).response(unreachable(failure), reply()).attempts == 2


@pytest.mark.parametrize(
    "outcome", [reply(429), reply(500), unreachable(FailureKind.BROKEN), unreachable(FailureKind.TIMEOUT)]
)
def test_a_task_with_an_order_id_is_tried_again(outcome: Outcome) -> None:
    assert Call(ORDERED).response(outcome, reply()).attempts == 2


@pytest.mark.parametrize("order_id", [None, ""])
def test_an_order_id_that_is_none_does_not_count(order_id: str | None) -> None:
    call = Call(Request("POST", "/tasks", object, json={"client_order_id": order_id}))
    call.error(reply(500))
    assert len(call.attempts) == 1


# --- Pauses before retries ---------------------------------------------------------------------------


def test_waits_double_up_to_a_bound() -> None:
    call = Call(users.balance(), Policy(max_retries=8), jitter=lambda: 1.0)
    call.error(*[reply(503)] * 9)
    assert call.waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]


def test_jitter_is_full_each_wait_is_any_part_of_its_bound() -> None:
    parts = iter([0.0, 0.25, 0.75])
    call = Call(users.balance(), Policy(max_retries=3), jitter=lambda: next(parts))
    call.error(*[reply(503)] * 4)
    assert call.waits == [0.0, 0.0, 0.25, 1.5]


def test_many_retries_do_not_overflow() -> None:
    call = balance_call(Policy(max_retries=2000, deadline=None))
    call.error(*[reply(503)] * 2001)
    assert call.waits[-1] == 4.0


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_retry_after_is_waited_for(status: int) -> None:
    call = balance_call()
    call.response(reply(status, headers={"Retry-After": "3"}), reply())
    assert call.waits == [0.0, 3.0]


def test_retry_after_zero_tries_again_at_once() -> None:
    call = balance_call()
    call.response(reply(503, headers={"Retry-After": "0"}), reply())
    assert call.waits == [0.0, 0.0]


@pytest.mark.parametrize("value", ["soon", "", "-1", "NaN", "inf", "1e3", "9" * 400, "٣", "5, 5", "1.", ".5", "0x1"])
def test_retry_after_that_is_garbage_is_ignored(value: str) -> None:
    call = balance_call()
    raw = value.encode("utf-8").decode("latin-1")
    call.response(reply(503, headers={"Retry-After": raw}), reply())
    assert call.waits == [0.0, 0.25]


def test_retry_after_that_fits_into_the_deadline_is_honoured() -> None:
    call = balance_call(Policy(deadline=10.0), seconds_per_attempt=1.0)
    call.response(reply(429, headers={"Retry-After": "8.9"}), reply())
    assert call.waits == [0.0, 8.9]


@pytest.mark.parametrize("seconds", ["9", "60", "99999999999999"])
def test_retry_after_that_does_not_fit_fails_at_once(seconds: str) -> None:
    call = balance_call(Policy(deadline=10.0), seconds_per_attempt=1.0)
    error = call.error(reply(429, headers={"Retry-After": seconds}))
    assert isinstance(error, RateLimitError)
    assert error.retry_after == float(seconds)
    assert call.now == 1001.0


@pytest.mark.parametrize(("seconds", "attempts"), [("604800", 2), ("604801", 1), ("99999999999999", 1)])
def test_without_a_deadline_a_wait_of_a_week_is_honoured_but_not_of_centuries(seconds: str, attempts: int) -> None:
    call = balance_call(Policy(deadline=None))
    call.run([reply(429, headers={"Retry-After": seconds}), reply()])
    assert len(call.attempts) == attempts


def test_a_backoff_that_does_not_fit_into_the_deadline_fails_at_once() -> None:
    call = balance_call(Policy(deadline=1.0), seconds_per_attempt=0.8)
    assert isinstance(call.error(reply(503)), ServiceUnavailableError)
    assert call.now == 1000.8


def test_a_wait_that_ends_with_the_deadline_does_not_fit() -> None:
    call = balance_call(Policy(deadline=1.25), seconds_per_attempt=1.0)
    call.error(reply(503))
    assert len(call.attempts) == 1


# --- Timeouts and the deadline -------------------------------------------------------------------


@pytest.mark.parametrize("failure", [FailureKind.TIMEOUT, FailureKind.CONNECT_TIMEOUT])
def test_a_timeout_at_the_deadline_is_the_deadline(failure: FailureKind) -> None:
    cause = TimeoutError("read")
    call = balance_call(Policy(deadline=2.0), seconds_per_attempt=2.0)
    error = call.error(unreachable(failure, cause))
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error, TimeoutError)
    assert error.cause is cause
    assert error.__cause__ is cause
    assert "deadline ran out in attempt 1" in str(error)
    assert len(call.attempts) == 1


@pytest.mark.parametrize(("seconds", "kind"), [(1.995, DeadlineExceededError), (1.99, RequestTimeoutError)])
def test_timers_that_fire_a_little_early_are_forgiven(seconds: float, kind: type[TransportError]) -> None:
    call = balance_call(Policy(deadline=2.0, max_retries=0), seconds_per_attempt=seconds)
    assert type(call.error(unreachable(FailureKind.TIMEOUT))) is kind


def test_a_timeout_before_the_deadline_is_of_its_own_kind() -> None:
    error = balance_call(Policy(max_retries=0)).error(unreachable(FailureKind.TIMEOUT))
    assert type(error) is RequestTimeoutError
    assert isinstance(error, TimeoutError)
    assert str(error).endswith("timed out (as if timed out). Try again later, or raise `timeout`")


def test_a_timeout_without_a_deadline_is_of_its_own_kind() -> None:
    error = balance_call(Policy(deadline=None, max_retries=0)).error(unreachable(FailureKind.TIMEOUT))
    assert type(error) is RequestTimeoutError


def test_a_spent_deadline_is_not_tried_again() -> None:
    call = balance_call(Policy(deadline=2.0), seconds_per_attempt=1.996)
    assert isinstance(call.error(unreachable(FailureKind.TIMEOUT)), DeadlineExceededError)


def test_an_answer_that_comes_after_the_deadline_still_counts() -> None:
    assert balance_call(Policy(deadline=1.0), seconds_per_attempt=9.0).response(reply()).elapsed == 9.0


@pytest.mark.parametrize("failure", [FailureKind.NOT_SENT, FailureKind.BROKEN])
def test_a_connection_that_fails_is_a_connection_error_with_its_cause(failure: FailureKind) -> None:
    cause = OSError("as it came")
    error = balance_call(Policy(max_retries=0)).error(unreachable(failure, cause))
    assert type(error) is ConnectionFailedError
    assert error.cause is cause
    assert error.__cause__ is cause
    assert str(error) == (
        f"GET /users/balance: {failure.value} (as it came). Check the network, the base URL and the proxy settings"
    )


class Mute(Exception):  # noqa: N818 - other libraries have such names
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("cause", [OSError(), Mute(), OSError(" \n"), OSError("  ")])
def test_a_cause_without_text_is_named_by_its_class(cause: Exception) -> None:
    error = balance_call(Policy(max_retries=0)).error(unreachable(cause=cause))
    assert f"({type(cause).__name__})" in str(error)


def silent_from(*origins: BaseException) -> Exception:
    """Return an error without a message that has a chain of causes."""
    error = OSError()
    for one, origin in zip((error, *origins), origins, strict=False):
        one.__cause__ = origin
    return error


@pytest.mark.parametrize(
    "cause",
    [
        silent_from(OSError("not trusted")),
        silent_from(Mute(), ValueError("not trusted"), OSError("further off")),
    ],
)
def test_the_text_of_an_inner_cause_replaces_a_missing_one(cause: Exception) -> None:
    error = balance_call(Policy(max_retries=0)).error(unreachable(FailureKind.NOT_SENT, cause))
    assert str(error).startswith("GET /users/balance: could not connect (not trusted). ")


def test_the_message_of_a_timeout_has_no_internals_of_a_library() -> None:
    cause = silent_from(OSError("cancelled"))
    error = balance_call(Policy(max_retries=0)).error(unreachable(FailureKind.TIMEOUT, cause))
    assert str(error).startswith("GET /users/balance: timed out (OSError). ")


def test_the_text_of_a_cause_is_truncated_to_one_line() -> None:
    error = balance_call(Policy(max_retries=0)).error(unreachable(cause=OSError("a\x1b[31m\n" + "b" * 10_000)))
    assert "(a?[31m bbb" in str(error)
    assert len(str(error)) < 2500


# --- Renewal of the key --------------------------------------------------------------------------


@pytest.mark.parametrize("max_retries", [0, 2])
@pytest.mark.parametrize("request_", [users.balance(), POST])
def test_after_a_401_the_key_callable_is_called_once_more(request_: Request[object], max_retries: int) -> None:
    call = Call(request_, Policy(max_retries=max_retries, refreshes_key=True))
    assert call.response(reply(401), reply()).attempts == 2
    assert call.waits == [0.0, 0.0]


def test_a_second_401_is_the_end() -> None:
    call = balance_call(Policy(refreshes_key=True))
    assert isinstance(call.error(reply(401), reply(401)), AuthenticationError)
    assert len(call.attempts) == 2


def test_a_key_that_cannot_change_is_not_read_again() -> None:
    call = balance_call()
    assert isinstance(call.error(reply(401)), AuthenticationError)
    assert len(call.attempts) == 1


def test_renewing_the_key_does_not_count_as_a_retry() -> None:
    call = balance_call(Policy(max_retries=1, refreshes_key=True))
    assert call.response(reply(401), reply(503), reply()).attempts == 3
    call = balance_call(Policy(max_retries=1, refreshes_key=True))
    assert call.response(reply(503), reply(401), reply()).attempts == 3
    assert call.waits == [0.0, 0.25, 0.0]


def test_only_a_401_is_about_the_key() -> None:
    call = balance_call(Policy(refreshes_key=True))
    call.error(reply(403))
    assert len(call.attempts) == 1


def test_a_401_at_the_deadline_is_the_end() -> None:
    call = balance_call(Policy(deadline=1.0, refreshes_key=True), seconds_per_attempt=1.0)
    assert isinstance(call.error(reply(401)), AuthenticationError)
    assert len(call.attempts) == 1


# --- Logging -------------------------------------------------------------------------------------


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_each_attempt_is_one_debug_line_and_each_retry_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "triverse")
    path = "/things?email=ada@example.com"
    call = Call(Request("GET", path, object), Policy(max_retries=3), seconds_per_attempt=0.125)
    call.response(
        reply(503, headers={"X-Request-Id": "one", "Retry-After": "2"}),
        unreachable(FailureKind.TIMEOUT, TimeoutError("ada@example.com")),
        reply(headers={"Request-Id": "three"}),
    )
    assert {record.name for record in caplog.records} == {"triverse"}
    assert lines(caplog) == [
        ("DEBUG", "GET /things: HTTP 503 in 125.0 ms (attempt 1, request id one)"),
        ("WARNING", "GET /things: attempt 1 got HTTP 503; trying again in 2.00 s"),
        ("DEBUG", "GET /things: timed out (TimeoutError) in 125.0 ms (attempt 2, request id None)"),
        ("WARNING", "GET /things: attempt 2 got timed out (TimeoutError); trying again in 0.50 s"),
        ("DEBUG", "GET /things: HTTP 200 in 125.0 ms (attempt 3, request id three)"),
    ]


def test_a_refreshed_key_is_a_warning_too(caplog: pytest.LogCaptureFixture) -> None:
    balance_call(Policy(refreshes_key=True)).response(reply(401), reply())
    assert lines(caplog) == [("WARNING", "GET /users/balance: attempt 1 got HTTP 401; trying again in 0.00 s")]


def test_a_call_that_gives_up_does_not_log_a_retry(caplog: pytest.LogCaptureFixture) -> None:
    balance_call(Policy(max_retries=0)).error(reply(503))
    balance_call(Policy(deadline=1.0)).error(reply(503, headers={"Retry-After": "5"}))
    balance_call().error(reply(404))
    assert lines(caplog) == []


def test_no_line_shows_the_key_an_email_or_a_body(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "triverse")
    key = KEY.reveal()
    spoken = {"message": f"{key} ada@example.com"}
    Call(users.me()).error(
        reply(503, spoken, headers={"X-Request-Id": key}, key=KEY),
        reply(503, spoken, headers={"X-Request-Id": "a\x1b[2J"}, key=KEY),
        unreachable(cause=OSError(f"{key} ada@example.com")),
    )
    assert len(caplog.records) == 5
    assert "request id [redacted]" in caplog.text
    assert "request id a?[2J" in caplog.text
    for secret in (key, "ada@example.com", "\x1b"):
        assert secret not in caplog.text


# --- Any sequence of outcomes --------------------------------------------------------------------


@st.composite
def any_outcome(draw: st.DrawFn) -> Outcome:
    if draw(st.booleans()):
        return unreachable(draw(st.sampled_from(list(FailureKind))))
    headers: dict[str, str] = {}
    if draw(st.booleans()):
        headers["Retry-After"] = draw(
            st.one_of(st.integers(0, 100).map(str), st.text("0123456789-eE. :GMT", max_size=9))
        )
    return reply(
        draw(st.sampled_from([200, 200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504])),
        body=draw(st.sampled_from([b"", b"{}", b'{"code":0,"data":{"balance":1,"frozen":2}}', b'{"code":2010}'])),
        headers=headers,
    )


@given(
    outcomes=st.lists(any_outcome(), max_size=8),
    max_retries=st.integers(0, 5),
    deadline=st.none() | st.floats(0.1, 200),
    refreshes=st.booleans(),
    seconds=st.floats(0, 30),
    method=st.sampled_from(["GET", "POST"]),
)
def test_any_sequence_of_outcomes_ends_in_time_with_a_result_or_our_error(  # noqa: PLR0913 - Hypothesis passes them
    outcomes: list[Outcome], max_retries: int, deadline: float | None, method: str, seconds: float, *, refreshes: bool
) -> None:
    policy = Policy(max_retries=max_retries, deadline=deadline, refreshes_key=refreshes)
    call = Call(Request(method, "/users/balance", UserBalance), policy, seconds_per_attempt=seconds)
    end = call.run(itertools.chain(outcomes, itertools.repeat(reply())))
    assert isinstance(end, Response) or type(end).__module__ in {"triverse.core.errors", "triverse.core.api_errors"}
    assert 1 <= len(call.attempts) <= 1 + max_retries + refreshes
    assert all(wait >= 0 for wait in call.waits)
    # The last attempt began before the deadline, even after its wait.
    assert deadline is None or len(call.attempts) == 1 or call.now - seconds < 1000 + deadline


# --- Other cases ----------------------------------------------------------------------------


def test_a_type_that_json_cannot_become_is_refused_before_anything_is_sent() -> None:
    call = Call(Request("GET", "/thing", complex))
    assert isinstance(call.error(), ConfigurationError)
    assert call.attempts == []


def test_a_flow_that_is_dropped_half_way_ends_quietly() -> None:
    call = balance_call()
    flow = exchange(users.balance(), Policy(), call_surroundings())
    next(flow)
    flow.close()
    with pytest.raises(StopIteration):
        next(flow)
    assert call.attempts == []


@pytest.mark.parametrize("odd", [None, "/users/me", {}])
def test_another_object_than_a_request_is_refused_with_advice(odd: Request[object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        next(exchange(odd, Policy(), call_surroundings()))
    remedy = "Make one with triverse.api, as in api.users.me(), or with triverse.Request"
    assert str(caught.value) == f"not a request: {odd!r}. {remedy}"


def call_surroundings() -> Runtime:
    return Runtime(lambda: 0.0, lambda: 0.0, lambda: 0.0, str)


@pytest.mark.parametrize("outcome", [reply(body=b"<html>"), data({"balance": None}), reply(500), reply(401)])
def test_the_error_keeps_the_context_of_the_caller_and_no_other(outcome: Outcome) -> None:
    """The context is the exception that the caller handles, and never one that this package handled."""
    assert balance_call(Policy(max_retries=0)).error(outcome).__context__ is None
    of_the_caller = KeyError()
    try:
        raise of_the_caller
    except KeyError:
        error = balance_call(Policy(max_retries=0)).error(outcome)
    assert error.__context__ is of_the_caller
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (reply(404, {"code": 1005, "message": "gone"}), NotFoundError),
        (reply(403, {"code": 2010, "message": "poor"}), InsufficientCreditsError),
        (reply(500, body=b"<html>"), ServerError),
        (unreachable(FailureKind.BROKEN), ConnectionFailedError),
    ],
)
def test_the_traceback_has_one_frame_of_the_core(outcome: Outcome, kind: type[TriverseError]) -> None:
    error = balance_call(Policy(max_retries=0)).error(outcome)
    assert type(error) is kind
    frames = [frame.f_globals["__name__"] for frame, _ in walk_tb(error.__traceback__)]
    assert [name for name in frames if name.startswith("triverse.")] == ["triverse.core.exchange"]


def test_a_success_that_a_flow_does_not_expect_is_an_invalid_response() -> None:
    error = outcome_error(Attempt(users.me()), reply(), Policy(), call_surroundings())
    assert isinstance(error, InvalidResponseError)
    assert "data: no success was expected" in str(error)
