"""One call, from the first attempt to its result or error. All policy lives here.

`exchange()` is a generator, in the manner of httpx's `Auth.auth_flow`: it yields each `Attempt`, is sent the `Reply` or
the `AttemptFailed` that came of it, and returns the `Response` or raises the error. The rules:

- An attempt is made at most `1 + max_retries` times, and once more after a 401 if the key can be asked for again.
- Nothing waits past the deadline. Where the next wait would not fit, the call fails at once with the error at hand.
- What is tried again, and after which wait, is in `retry`; what an answer means is in `envelope`.
- Every text and header of the server's is cleared of the key before anyone sees it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from attrs import evolve, frozen

from triverse.core.api_errors import APIError, AuthenticationError
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    RequestTimeoutError,
    TransportError,
    TriverseError,
)
from triverse.core.headers import Headers
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.retry import RETRYABLE_STATUS_CODES, backoff
from triverse.core.text import exception_chain, exception_message, safe_repr

__all__ = ["Flow", "Response", "Runtime", "exchange"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_logger = logging.getLogger("triverse")

# Timers may fire this many seconds early.
_CLOCK_RESOLUTION = 0.005

# A week: timers of operating systems take no wait of centuries, which a server may well ask for.
_MAX_RETRY_DELAY = 7 * 24 * 3600.0


class Runtime(NamedTuple):
    """What the core may not look up for itself.

    Attributes:
        monotonic: seconds on a clock that never goes back.
        wall_clock: seconds since the epoch.
        jitter: a random number, 0 up to 1.
    """

    monotonic: Callable[[], float]
    wall_clock: Callable[[], float]
    jitter: Callable[[], float]


@frozen
class Response(Generic[T_co]):
    """The whole story of a call.

    Attributes:
        data: what `client.execute()` returns.
        status_code: HTTP status of the last answer.
        headers: headers of the last answer.
        attempts: how many times the request was put on the wire.
        elapsed: seconds from the start of the call, waits included.
    """

    data: T_co
    status_code: int
    headers: Headers
    attempts: int
    elapsed: float

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, to quote to support; None if it sent none."""
        return self.headers.request_id


Flow: TypeAlias = Generator[Attempt, Outcome, Response[T]]


def exchange(request: Request[T], policy: Policy, runtime: Runtime) -> Flow[T]:
    """Make the call.

    Raises:
        TriverseError: as the module says.
    """
    # With them comes cattrs: a sixth of the import, and of no use before the first call.
    from triverse.core.response_body import unwrap  # noqa: PLC0415 - as above
    from triverse.core.structure import structurer  # noqa: PLC0415 - as above

    try:
        structure = structurer(request.into)
    except AttributeError:  # callers are not all type checked
        raise _not_a_request_error(request) from None
    now = runtime.monotonic
    started = now()
    deadline = None if policy.deadline is None else started + policy.deadline
    may_refresh, retries = policy.refreshes_key, 0
    attempt = Attempt(request, 0.0, 1, deadline, policy.timeout)
    while True:
        yielded = now()
        outcome = _redact_outcome((yield attempt))
        finished = now()
        _log_attempt(attempt, outcome, finished - yielded - attempt.after)
        if isinstance(outcome, AttemptFailed):
            error: TriverseError = _transport_error(attempt, outcome, finished)
        else:
            result = unwrap(outcome, structure, runtime.wall_clock)
            if not isinstance(result, TriverseError):
                return Response(result, outcome.status, outcome.headers, attempt.number, finished - started)
            error = result
        if may_refresh and isinstance(error, AuthenticationError):
            may_refresh, wait = False, 0.0
        elif retries < policy.max_retries and _is_retryable(request, outcome, error):
            wait = _retry_delay(error, retries, runtime)
            retries += 1
        else:
            raise error
        if wait > _MAX_RETRY_DELAY or (deadline is not None and finished + wait >= deadline):
            raise error
        _log_retry(attempt, outcome, wait)
        attempt = attempt._replace(after=wait, number=attempt.number + 1)


def _not_a_request_error(value: object) -> ConfigurationError:
    how = "Make one with triverse.api, as in api.users.me(), or with triverse.Request"
    return ConfigurationError(f"not a request: {safe_repr(value)}. {how}")


def _redact_outcome(outcome: Outcome) -> Outcome:
    """The outcome, with the key cut out of whatever could show it."""
    key = outcome.key
    if key is None:
        return outcome
    if isinstance(outcome, AttemptFailed):
        key.scrub(outcome.cause)
        return outcome
    headers = outcome.headers.redacted(key.redact)
    return outcome if headers is outcome.headers else evolve(outcome, headers=headers)


def _transport_error(attempt: Attempt, outcome: AttemptFailed, finished: float) -> TransportError:
    kind, remedy = _classify_failure(attempt, outcome.failure, finished)
    what = f"{attempt.request.method} {_logged_path(attempt.request)}: {outcome.failure.value}"
    error = kind(f"{what} ({_cause_message(outcome)}). {remedy}", cause=outcome.cause)
    error.__cause__ = outcome.cause
    return error


def _classify_failure(attempt: Attempt, failure: FailureKind, finished: float) -> tuple[type[TransportError], str]:
    if not failure.timed_out:
        kind = TransportError if failure is FailureKind.OTHER else ConnectionFailedError
        return kind, "Check the network, the base URL and the proxy settings"
    if attempt.deadline is not None and finished + _CLOCK_RESOLUTION >= attempt.deadline:
        remedy = f"The call's deadline ran out in attempt {attempt.number}: allow it more time"
        return DeadlineExceededError, remedy
    return RequestTimeoutError, "Try again later, or raise `timeout`"


def _cause_message(outcome: AttemptFailed) -> str:
    """What the cause says, or where it says nothing, what it came from does: trio's are silent about certificates."""
    # Behind a timeout is only how a library breaks off.
    errors = [outcome.cause] if outcome.failure.timed_out else exception_chain(outcome.cause)
    return next((text for text in map(exception_message, errors) if text), type(outcome.cause).__name__)


def _is_retryable(request: Request[object], outcome: Outcome, error: TriverseError) -> bool:
    if isinstance(error, (InvalidResponseError, DeadlineExceededError)):
        return False
    if isinstance(outcome, Reply):
        return outcome.status in RETRYABLE_STATUS_CODES and request.idempotent
    if outcome.failure is FailureKind.OTHER:
        return False
    return request.idempotent or outcome.failure.surely_not_sent


def _retry_delay(error: TriverseError, retry: int, runtime: Runtime) -> float:
    asked = error.retry_after if isinstance(error, APIError) else None
    return backoff(retry, runtime.jitter()) if asked is None else asked


def _logged_path(request: Request[object]) -> str:
    return request.path.partition("?")[0]


def _describe_outcome(outcome: Outcome) -> str:
    if isinstance(outcome, Reply):
        return f"HTTP {outcome.status}"
    return f"{outcome.failure.value} ({type(outcome.cause).__name__})"


def _log_attempt(attempt: Attempt, outcome: Outcome, seconds: float) -> None:
    if _logger.isEnabledFor(logging.DEBUG):
        _logger.debug(
            "%s %s: %s in %.1f ms (attempt %d, request id %s)",
            attempt.request.method,
            _logged_path(attempt.request),
            _describe_outcome(outcome),
            seconds * 1000,
            attempt.number,
            outcome.headers.request_id if isinstance(outcome, Reply) else None,
        )


def _log_retry(attempt: Attempt, outcome: Outcome, wait: float) -> None:
    _logger.warning(
        "%s %s: attempt %d got %s; trying again in %.2f s",
        attempt.request.method,
        _logged_path(attempt.request),
        attempt.number,
        _describe_outcome(outcome),
        wait,
    )
