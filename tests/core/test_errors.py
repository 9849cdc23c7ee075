from __future__ import annotations

import copy
import pickle
import textwrap
import threading
import typing
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from attrs import frozen
from support.exchange_driver import Call, balance_call, reply, unreachable

import triverse
from triverse import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    RateLimitError,
    RequestTimeoutError,
    TaskError,
    TransportError,
    TriverseError,
)
from triverse.core.attempt import FailureKind, Outcome
from triverse.core.headers import Headers
from triverse.core.options import Policy

TREE = """
TriverseError
    APIError
        AuthenticationError
        BadRequestError
        ConflictError
        InsufficientCreditsError
        NotFoundError
        PermissionDeniedError
        RateLimitError
        ServerError
            ServiceUnavailableError
    ConfigurationError
    InvalidResponseError
    TaskError
        TaskCancelledError
        TaskFailedError
    TransportError
        ConnectionFailedError
        RequestTimeoutError
            DeadlineExceededError
"""

HEADERS = Headers([(b"X-Request-Id", b"r-1"), (b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")])


@frozen
class State:
    """The attributes of a task that an error needs."""

    task_uuid: UUID
    status: str = "FAILED"
    flow_name: str | None = None
    progress: float | None = None
    error: str | None = None
    reason: str | None = None


FAILED = State(UUID(int=1))


def drawn(cls: type[TriverseError]) -> str:
    below = sorted(
        (sub for sub in cls.__subclasses__() if sub.__module__.startswith("triverse.core.")), key=lambda c: c.__name__
    )
    return cls.__name__ + "\n" + "".join(textwrap.indent(drawn(sub), "    ") for sub in below)


def kinds(of: type[TriverseError]) -> list[type[TriverseError]]:
    return [
        of,
        *(kind for sub in of.__subclasses__() if sub.__module__.startswith("triverse.core.") for kind in kinds(sub)),
    ]


def example(kind: type[TriverseError]) -> TriverseError:
    if issubclass(kind, APIError):
        return kind("What happened.", status_code=418, code=7, suggestion="Do that.", headers=HEADERS, retry_after=2.5)
    if issubclass(kind, TransportError):
        return kind("It broke", cause=OSError(5, "Input/output error"))
    if issubclass(kind, InvalidResponseError):
        return kind("It is odd", status_code=200, headers=HEADERS, path="data.balance")
    if issubclass(kind, TaskError):
        return kind("It failed", task=FAILED)
    return kind("It is wrong")


def pickled(protocol: int) -> Callable[[TriverseError], TriverseError]:
    def through(error: TriverseError) -> TriverseError:
        restored = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
        assert isinstance(restored, TriverseError)
        return restored

    return through


WAYS = [copy.copy, copy.deepcopy, *(pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1))]


def facts(error: BaseException) -> object:
    known = {name: repr(value) for name, value in vars(error).items()}
    return type(error), error.args, str(error), repr(error), known


def test_the_tree_is_the_documented_one() -> None:
    assert "\n" + drawn(TriverseError) == TREE


def test_each_class_of_the_tree_is_exported() -> None:
    for kind in kinds(TriverseError):
        assert getattr(triverse, kind.__name__) is kind


def test_timeouts_are_builtin_timeouts_too() -> None:
    assert issubclass(RequestTimeoutError, TimeoutError)
    assert not issubclass(ConnectionFailedError, (TimeoutError, ConnectionError))


def test_an_error_of_a_task_has_the_task_and_its_id() -> None:
    error = TaskError("It ended", task=FAILED)
    assert (error.task, error.task_uuid) == (FAILED, FAILED.task_uuid)


def test_the_repr_of_an_api_error_contains_its_message() -> None:
    assert repr(example(RateLimitError)) == "RateLimitError('What happened.')"


def test_a_message_ends_with_one_full_stop_and_loses_nothing_else() -> None:
    assert str(APIError("No axis X", status_code=418, suggestion="Do that.")) == "No axis X (HTTP 418). Do that."
    assert str(APIError("No axis X.", status_code=418, suggestion="Do that.")) == "No axis X (HTTP 418). Do that."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", kinds(TriverseError))
def test_every_error_pickles_and_copies_whole(
    kind: type[TriverseError], way: Callable[[TriverseError], TriverseError]
) -> None:
    error = example(kind)
    error.add_note("seen on the way")
    again = way(error)
    assert again is not error
    assert facts(again) == facts(error)
    if isinstance(error, (APIError, InvalidResponseError)):
        assert isinstance(again, (APIError, InvalidResponseError))
        assert again.headers == error.headers
        assert again.headers.raw == HEADERS.raw


@pytest.mark.parametrize("way", WAYS)
def test_every_error_of_a_call_pickles_and_copies_whole(way: Callable[[TriverseError], TriverseError]) -> None:
    for outcome in (
        reply(403, {"code": 2010}),
        reply(429),
        reply(body=b""),
        unreachable(),
        unreachable(FailureKind.TIMEOUT),
    ):
        error = balance_call(Policy(max_retries=0)).error(outcome)
        assert facts(way(error)) == facts(error)


class UnpicklableError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class TwoArgumentsError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


@pytest.mark.parametrize("cause", [UnpicklableError("held"), TwoArgumentsError("he", "ld")])
@pytest.mark.parametrize("way", WAYS)
def test_a_cause_that_cannot_be_pickled_is_replaced(
    cause: Exception, way: Callable[[TriverseError], TriverseError]
) -> None:
    again = way(ConnectionFailedError("It broke", cause=cause))
    assert isinstance(again, ConnectionFailedError)
    assert type(again.cause) is Exception
    assert str(again.cause) == f"{type(cause).__name__}: held"


def test_an_error_without_a_cause_has_none() -> None:
    assert TransportError("x").cause is None
    assert copy.copy(TransportError("x")).cause is None


@pytest.mark.parametrize("way", WAYS)
def test_the_last_balance_that_was_waited_for_is_kept(way: Callable[[TriverseError], TriverseError]) -> None:
    again = way(DeadlineExceededError("x", balance=triverse.UserBalance(1.0, 2.0)))
    assert isinstance(again, DeadlineExceededError)
    assert again.balance == triverse.UserBalance(1.0, 2.0)
    assert DeadlineExceededError("x").balance is None


def test_annotations_of_errors_can_be_resolved() -> None:
    for kind in kinds(TriverseError):
        typing.get_type_hints(kind)
        typing.get_type_hints(kind.__init__)


def test_headers_are_empty_where_there_were_none() -> None:
    for error in (APIError("x", status_code=500), InvalidResponseError("x", status_code=200)):
        assert error.headers == {}
        assert error.request_id is None
    assert RateLimitError("x", status_code=429).retry_after is None
    assert InvalidResponseError("x", status_code=200).path is None


@pytest.mark.parametrize("kind", kinds(APIError))
def test_an_api_error_contains_its_message_and_a_remedy(kind: type[APIError]) -> None:
    error = example(kind)
    advice = kind.remedy if kind is AuthenticationError else "Do that."
    assert str(error) == f"What happened (HTTP 418, code 7, request r-1). {advice}"
    bare = kind("Stop", status_code=500)
    assert str(bare) == f"Stop (HTTP 500). {kind.remedy}"
    assert kind.remedy.endswith(".")


def test_no_two_classes_define_the_same_remedy() -> None:
    remedies = [vars(kind).get("remedy") for kind in kinds(APIError)]
    assert len(set(remedies)) == len(remedies)


def test_every_message_of_the_core_has_a_remedy_and_one_line() -> None:
    outcomes: list[Outcome] = [*map(unreachable, FailureKind), reply(body=b""), reply(500), reply(302, body=b"")]
    ends = [
        balance_call(Policy(max_retries=0, deadline=1.0), seconds_per_attempt=s).error(outcome)
        for s in (0.5, 1.5)
        for outcome in outcomes
    ]
    assert {type(end) for end in ends} >= {
        TransportError,
        ConnectionFailedError,
        DeadlineExceededError,
        RequestTimeoutError,
    }
    for end in ends:
        assert str(end).isprintable()
        assert any(verb in str(end) for verb in ("Check ", "Try again ", "allow it more time", "Correct the code "))


@pytest.mark.parametrize("kind", kinds(TriverseError))
def test_any_error_is_one_line(kind: type[TriverseError]) -> None:
    arguments: dict[str, Any] = {"status_code": 500} if issubclass(kind, (APIError, InvalidResponseError)) else {}
    if issubclass(kind, TaskError):
        arguments = {"task": FAILED}
    error = kind("one\n\ttwo\x1b[0m\x00", **arguments)
    assert str(error).startswith("one two?[0m?")
    assert len(str(error).splitlines()) == 1


def test_a_message_that_is_printable_stays_as_it_is() -> None:
    assert str(ConfigurationError("two  spaces, ä, 汉")) == "two  spaces, ä, 汉"


def test_an_error_after_a_refresh_is_the_second_one() -> None:
    error = Call(triverse.api.users.me(), Policy(refreshes_key=True)).error(reply(401), reply(401, {"message": "2nd"}))
    assert isinstance(error, AuthenticationError)
    assert error.message == "2nd"
