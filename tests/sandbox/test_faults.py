from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import pytest
from support.clients import MODES, Mode, drive, run_async

from triverse import (
    APIError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DeadlineExceededError,
    InsufficientCreditsError,
    InvalidResponseError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    ServiceUnavailableError,
    Timeout,
    TriverseError,
    UserBalance,
)
from triverse.sandbox import Fault, Sandbox

USUAL = UserBalance(balance=1200.0, frozen=0.0)

Place: TypeAlias = tuple[Mode, Literal["in process", "served"]]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Sandbox, str]]:
    sandbox = Sandbox()
    with sandbox.serve() as url:
        yield sandbox, url


@contextmanager
def fault_of(sandbox: Sandbox, fault: Fault) -> Generator[None]:
    sandbox.faults.add(fault)
    try:
        yield
    finally:
        sandbox.faults.clear()


def outcome(
    place: Place,
    served: tuple[Sandbox, str],
    fault: Fault,
    *,
    timeout: float | Timeout = 30.0,
    deadline: float | None = None,
) -> UserBalance | TriverseError:
    """Return the result or the error of one attempt with this fault."""
    (mode, way), (sandbox, url) = place, served
    with fault_of(sandbox, fault):
        try:
            if way == "served":
                return drive(
                    mode,
                    lambda c: c.users.balance(),
                    lambda c: c.users.balance(),
                    api_key=sandbox.demo.key,
                    base_url=url,
                    max_retries=0,
                    timeout=timeout,
                    deadline=deadline,
                )
            return _in_process(mode, sandbox, timeout, deadline)
        except TriverseError as error:
            return error


def _in_process(mode: Mode, sandbox: Sandbox, timeout: float | Timeout, deadline: float | None) -> UserBalance:
    if mode == "sync":
        with sandbox.client() as client:
            return client.with_options(max_retries=0, timeout=timeout, deadline=deadline).users.balance()

    async def main() -> UserBalance:
        async with sandbox.async_client() as client:
            return await client.with_options(max_retries=0, timeout=timeout, deadline=deadline).users.balance()

    return run_async(mode, main)


everywhere = pytest.mark.parametrize(
    "place", [(mode, way) for mode in MODES for way in ("in process", "served")], ids=str
)


@everywhere
@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault(status=500), ServerError, 5004),
        (Fault(status=503), ServiceUnavailableError, 5003),
        (Fault(status=403), PermissionDeniedError, 403),
        (Fault(code=2010), InsufficientCreditsError, 2010),
        (Fault(status=409, code=2005), ConflictError, 2005),
        (Fault(status=418, code=2005), APIError, 2005),
    ],
    ids=str,
)
def test_any_error_of_the_service(
    served: tuple[Sandbox, str], place: Place, fault: Fault, error: type[APIError], code: int
) -> None:
    failed = outcome(place, served, fault)
    assert type(failed) is error
    assert isinstance(failed, APIError)
    assert failed.code == code


@everywhere
def test_an_error_can_have_its_own_message_and_suggestion(served: tuple[Sandbox, str], place: Place) -> None:
    fault = Fault(status=400, code=2008, message="No.", suggestion="Ask nicely.", headers={"X-Request-Id": "r-1"})
    failed = outcome(place, served, fault)
    assert isinstance(failed, APIError)
    assert (failed.code, failed.message, failed.suggestion, failed.request_id) == (2008, "No.", "Ask nicely.", "r-1")


@everywhere
def test_too_many_requests(served: tuple[Sandbox, str], place: Place) -> None:
    failed = outcome(place, served, Fault(status=429, retry_after=7))
    assert isinstance(failed, RateLimitError)
    assert (failed.code, failed.retry_after) == (2000, 7.0)


@everywhere
@pytest.mark.parametrize(
    ("fault", "path"),
    [(Fault.malformed_json(), None), (Fault.wrong_types(), "data.balance"), (Fault(body=b"\xff"), None)],
)
def test_undocumented_responses_are_invalid(
    served: tuple[Sandbox, str], place: Place, fault: Fault, path: str | None
) -> None:
    failed = outcome(place, served, fault)
    assert isinstance(failed, InvalidResponseError)
    assert failed.path == path


@everywhere
def test_the_web_page_of_a_proxy_is_a_server_error(served: tuple[Sandbox, str], place: Place) -> None:
    failed = outcome(place, served, Fault.html(502))
    assert isinstance(failed, ServerError)
    assert (failed.status_code, failed.headers["Content-Type"], failed.code) == (502, "text/html", None)


@everywhere
@pytest.mark.parametrize("fault", [Fault.truncated(), Fault.reset()], ids=["truncated", "reset"])
def test_a_connection_that_breaks(served: tuple[Sandbox, str], place: Place, fault: Fault) -> None:
    assert isinstance(outcome(place, served, fault), ConnectionFailedError)


@everywhere
def test_a_response_that_never_comes_is_a_timeout(served: tuple[Sandbox, str], place: Place) -> None:
    failed = outcome(place, served, Fault.silent(), timeout=0.1)
    assert isinstance(failed, RequestTimeoutError)
    assert not isinstance(failed, DeadlineExceededError)


@everywhere
def test_a_late_response_is_received(served: tuple[Sandbox, str], place: Place) -> None:
    assert outcome(place, served, Fault(latency=0.05)) == USUAL


@everywhere
def test_a_trickling_body_is_received(served: tuple[Sandbox, str], place: Place) -> None:
    assert outcome(place, served, Fault.trickled(0.001), timeout=Timeout(read=None)) == USUAL


@everywhere
def test_a_trickling_body_is_cut_off_by_the_deadline(served: tuple[Sandbox, str], place: Place) -> None:
    assert isinstance(outcome(place, served, Fault.trickled(0.1), deadline=0.3), DeadlineExceededError)


def test_a_fault_happens_as_often_as_planned() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=500), times=2)
    with sandbox.client() as client:
        statuses = [_status(client.with_options(max_retries=0).users.balance) for _ in range(3)]
    assert statuses == [500, 500, 200]


def test_retries_succeed_after_a_temporary_fault() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=429, retry_after=0), times=1)
    with sandbox.client() as client:
        assert client.users.balance() == USUAL
    assert [handled.status for handled in sandbox.requests] == [429, 200]


def test_a_fault_happens_to_the_requests_that_match() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault(status=500), match="/users/me")
    sandbox.faults.add(Fault(status=404), match=lambda request: request.path.endswith("balance"))
    with sandbox.client() as client:
        once = client.with_options(max_retries=0).users
        assert [_status(once.me), _status(once.balance), _status(once.me)] == [500, 404, 500]
        sandbox.faults.clear()
        assert _status(once.me) == 200


def _status(call: object) -> int:
    assert callable(call)
    try:
        call()
    except APIError as error:
        return error.status_code
    return 200


def test_a_fault_for_no_request_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="times"):
        Sandbox().faults.add(Fault(status=500), times=0)


def test_an_error_instead_of_a_success_keeps_its_types() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Fault.wrong_types())
    assert b'"code": 401' in sandbox.handle("GET", "/users/me", []).body
