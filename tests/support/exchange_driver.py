"""Calls without a network: an exchange, a clock that a test moves, and responses made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from triverse import Request, Response, TriverseError
from triverse.api import users
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.exchange import exchange
from triverse.core.headers import Headers
from triverse.core.options import Policy
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret

T = TypeVar("T")

BALANCE = {"balance": 100.5, "frozen": 2}
# 2026-01-01 00:00:00 UTC
NEW_YEAR = 1767225600.0


def reply(
    status: int = 200,
    answer: object = None,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    key: Secret | None = None,
) -> Reply:
    """Return a response; by default, the balance in its envelope."""
    if answer is None:
        answer = {"code": 0, "message": "success", "data": BALANCE}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return Reply(status, Headers(raw), json.dumps(answer).encode() if body is None else body, key)


def data(value: object) -> Reply:
    """Return a success with this payload."""
    return reply(answer={"code": 0, "message": "success", "data": value})


def unreachable(failure: FailureKind = FailureKind.BROKEN, cause: Exception | None = None) -> AttemptFailed:
    """Return the outcome of an attempt without a response."""
    return AttemptFailed(cause or OSError(f"as if {failure.value}"), failure)


class Call(Generic[T]):
    """One exchange, driven by hand."""

    def __init__(
        self,
        request: Request[T],
        policy: Policy | None = None,
        *,
        seconds_per_attempt: float = 0.0,
        jitter: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.now = 1000.0
        self.attempts: list[Attempt] = []
        self._seconds = seconds_per_attempt
        runtime = Runtime(lambda: self.now, lambda: NEW_YEAR, jitter, lambda: "generated")
        self._flow = exchange(request, policy or Policy(), runtime)

    @property
    def waits(self) -> list[float]:
        """The seconds that the exchange waited before each attempt."""
        return [attempt.after for attempt in self.attempts]

    def run(self, outcomes: Iterable[Outcome]) -> Response[T] | TriverseError:
        """Give each attempt the next outcome, until the call ends."""
        try:
            self._take(next(self._flow))
            for outcome in outcomes:
                self.now += self._seconds
                self._take(self._flow.send(outcome))
        except StopIteration as end:
            response: Response[T] = end.value
            return response
        except TriverseError as error:
            return error
        message = f"still trying after {len(self.attempts)} attempts"
        raise AssertionError(message)

    def _take(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.now += attempt.after

    def response(self, *outcomes: Outcome) -> Response[T]:
        """Return the result of the call."""
        end = self.run(outcomes)
        assert isinstance(end, Response), repr(end)
        return end

    def error(self, *outcomes: Outcome) -> TriverseError:
        """Return the error of the call."""
        end = self.run(outcomes)
        assert isinstance(end, TriverseError), repr(end)
        return end


def balance_call(policy: Policy | None = None, *, seconds_per_attempt: float = 0.0) -> Call[users.UserBalance]:
    """Return a call for the balance."""
    return Call(users.balance(), policy, seconds_per_attempt=seconds_per_attempt)


def error_of(answer: Reply, into: type[object] = object) -> TriverseError:
    """Return the error of a call with this one response."""
    return Call(Request("GET", "/thing", into), Policy(max_retries=0)).error(answer)
