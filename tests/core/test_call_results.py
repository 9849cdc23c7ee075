"""What results and errors of a call contain besides the data: the request and the cause, but never the key."""

from __future__ import annotations

import pytest
from support.exchange_driver import Call, balance_call, data, reply, unreachable

from triverse import Request, Response, TransportError, TriverseError
from triverse.core.attempt import AttemptFailed, FailureKind, Outcome
from triverse.core.options import Policy
from triverse.core.secret import Secret

PLAIN = "tri-0123456789abcdef"
KEY = Secret(PLAIN)
ONCE = Policy(max_retries=0)


def test_a_response_has_the_url_of_its_request_and_no_order_id() -> None:
    response = balance_call().response(reply())
    assert (response.url, response.client_order_id) == ("/users/balance", None)


def test_the_decode_of_a_request_makes_its_result() -> None:
    request = Request("GET", "/thing", int, decode=lambda value, name: len(f"{name}: {value}"))
    assert Call(request).response(data("abc")).data == len("data: abc")


@pytest.mark.parametrize(("seconds", "deadline"), [(5.0, 1005.0), (None, None)])
def test_the_deadline_of_a_request_replaces_the_clients(seconds: float | None, deadline: float | None) -> None:
    call = Call(Request("GET", "/thing", object, deadline=seconds), Policy(deadline=60.0))
    call.response(reply())
    assert [attempt.deadline for attempt in call.attempts] == [deadline]


@pytest.mark.parametrize(
    "outcome", [reply(404, key=KEY), AttemptFailed(OSError("reset"), FailureKind.BROKEN, KEY), reply(key=KEY)]
)
def test_a_key_in_the_path_is_not_shown(outcome: Outcome) -> None:
    end = Call(Request("GET", f"/keys/{PLAIN}", object), ONCE).run([outcome])
    assert isinstance(end, (Response, TriverseError))
    assert getattr(end, "url", None) == "/keys/[redacted]"
    assert PLAIN not in str(end)


def test_the_cause_of_a_failure_is_kept_without_the_key() -> None:
    cause = ValueError(f"bad header {PLAIN}")
    error = balance_call(ONCE).error(AttemptFailed(cause, FailureKind.BROKEN, KEY))
    assert isinstance(error, TransportError)
    assert (type(error.cause), str(error.cause)) == (ValueError, "bad header [redacted]")
    assert "the connection broke (bad header [redacted])" in str(error)


def test_a_failure_through_a_proxy_names_the_proxy() -> None:
    error = balance_call(ONCE).error(unreachable()._replace(proxy="proxy.example:3128"))
    assert "GET /users/balance through the proxy proxy.example:3128: the connection broke (" in str(error)


def test_an_error_of_the_users_own_hook_names_what_to_correct() -> None:
    error = balance_call(ONCE).error(unreachable(FailureKind.HOOK, KeyError("mine")))
    assert str(error).endswith("raised an error ('mine'). Correct the code that raised it")
