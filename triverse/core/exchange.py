"""One call, from the first attempt to its result or error. All policy of a call is here.

`exchange()` is a generator, like httpx's `Auth.auth_flow`: it yields each `Attempt`, is sent the `Reply` or the
`AttemptFailed` that came of it, and returns the `Response` or raises the error. The rules:

- A call makes at most `1 + max_retries` attempts, and one more after a 401 if the key can be renewed.
- Nothing waits past the deadline. If the next wait does not fit, the call fails at once with the error at hand.
- `retry` has what is repeated and after which delay, `response_body` what a response means, `creation` the rules for
  requests that create a paid task.
- The key is removed from every text and header of the server before anyone sees it.
- An error raised while an attempt is made, such as a key that cannot be renewed, is thrown into the generator.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar, cast

from attrs import evolve

from triverse.core.api_errors import APIError, AuthenticationError
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.creation import CreationRecord
from triverse.core.defaults import Unset
from triverse.core.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    RequestTimeoutError,
    TransportError,
    TriverseError,
)
from triverse.core.flow import is_interrupt
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.response_body import unwrap
from triverse.core.result import Result
from triverse.core.retry import MAX_RETRY_DELAY, RETRYABLE_STATUS_CODES, backoff
from triverse.core.runtime import Runtime
from triverse.core.structure import structurer
from triverse.core.text import exception_chain, exception_message, safe_repr
from triverse.core.validation import MismatchError

__all__ = [
    "CallFlow",
    "exchange",
    "log_attempt",
    "log_retry",
    "outcome_error",
    "redact_outcome",
    "request_text",
]

T = TypeVar("T")

_logger = logging.getLogger("triverse")

# Timers may fire this many seconds early.
_CLOCK_RESOLUTION = 0.005


CallFlow: TypeAlias = Generator[Attempt, Outcome, Response[T]]


def exchange(request: Request[T], policy: Policy, runtime: Runtime) -> CallFlow[T]:
    """Make one call.

    Raises:
        TriverseError: by the rules at the head of this module.
    """
    structure = _structure_function(request)
    request = request.with_client_order_id(runtime.new_id)
    record = None if request.creation is None else CreationRecord(request)
    now = runtime.monotonic
    started = now()
    deadline = _deadline(request, policy, started)
    may_renew_key, retries = policy.refreshes_key, 0
    attempt = Attempt(request, 0.0, 1, deadline, policy.timeout)
    while True:
        yielded = now()
        outcome = redact_outcome((yield attempt) if record is None else (yield from _guarded(attempt, record)))
        finished = now()
        log_attempt(attempt, outcome, finished - yielded - attempt.after)
        result = _result(attempt, outcome, structure, policy, finished, runtime)
        if not isinstance(result, TriverseError):
            return _response(request, result, outcome, attempt, finished - started)
        if record is not None:
            record.explain(attempt, outcome, result)
        if may_renew_key and isinstance(result, AuthenticationError):
            may_renew_key, wait = False, 0.0
        elif retries < policy.max_retries and _is_retryable(request, outcome, result):
            wait = _retry_delay(result, retries, runtime)
            retries += 1
        else:
            raise result
        if wait > MAX_RETRY_DELAY or (deadline is not None and finished + wait >= deadline):
            raise result
        log_retry(attempt, outcome, wait)
        attempt = attempt._replace(after=wait, number=attempt.number + 1)


def _structure_function(request: Request[T]) -> Callable[[object, str], T]:
    try:
        return structurer(request.into) if request.decode is None else request.decode
    except AttributeError:  # callers are not all type checked
        raise _not_a_request_error(request) from None


def _not_a_request_error(value: object) -> ConfigurationError:
    how = "Make one with triverse.api, as in api.users.me(), or with triverse.Request"
    return ConfigurationError(f"not a request: {safe_repr(value)}. {how}")


def _deadline(request: Request[object], policy: Policy, started: float) -> float | None:
    seconds = policy.deadline if isinstance(request.deadline, Unset) else request.deadline
    return None if seconds is None else started + seconds


def _guarded(attempt: Attempt, record: CreationRecord) -> Generator[Attempt, Outcome, Outcome]:
    """Yield an attempt to create a task, and mark what is raised while it is made."""
    try:
        return (yield attempt)
    except TriverseError as error:
        record.mark(error)
        raise
    except BaseException as interrupt:
        if is_interrupt(interrupt):
            record.note(interrupt)
        raise


def _result(  # noqa: PLR0913, PLR0917 - what an outcome is judged by
    attempt: Attempt,
    outcome: Outcome,
    structure: Callable[[object, str], T],
    policy: Policy,
    finished: float,
    runtime: Runtime,
) -> T | TriverseError:
    """Return the result of an outcome, or its error."""
    if isinstance(outcome, AttemptFailed):
        return _transport_error(attempt, outcome, finished)
    result = unwrap(outcome, request_text(attempt, outcome), structure, runtime.wall_clock)
    if isinstance(result, (InvalidResponseError, APIError)):
        result.method, result.url = attempt.request.method, _url(attempt, outcome)
    elif isinstance(result, Result) and outcome.key is not None:
        return cast("T", result._without_key(outcome.key.redact))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # not for users
    if isinstance(result, AuthenticationError):
        result._hint = _remedy(attempt.request, outcome, policy)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # only this package sets it
    return result


def _remedy(request: Request[object], reply: Reply, policy: Policy) -> str:
    """Return what to check after a 401."""
    if request.url is not None:
        return "This URL is requested without the API key: it may have expired, so ask for a new one."
    if reply.key_replaced:
        return f"Check the http_client: its auth or a hook replaced the API key that came from {policy.key_source}."
    return f"Check the API key, which came from {policy.key_source}."


def _response(request: Request[T], result: T, outcome: Outcome, attempt: Attempt, elapsed: float) -> Response[T]:
    reply = cast("Reply", outcome)  # only a reply has a result
    order_id = None
    if request.creation is not None:
        order_id = request.client_order_id
        if request.creation.attach is not None:
            result = cast("T", request.creation.attach(result, order_id))
    return Response(result, reply.status, reply.headers, attempt.number, elapsed, order_id, _url(attempt, reply))


def outcome_error(attempt: Attempt, outcome: Outcome, policy: Policy, runtime: Runtime) -> TriverseError:
    """Return the error of an attempt without a successful response, for flows that read successful ones themselves."""
    result = _result(attempt, outcome, _no_structure, policy, runtime.monotonic(), runtime)
    return cast("TriverseError", result)


def _no_structure(_value: object, name: str) -> object:
    raise MismatchError("no success was expected", name)


def redact_outcome(outcome: Outcome) -> Outcome:
    """Return the outcome without the key in anything that could show it."""
    key = outcome.key
    if key is None:
        return outcome
    if isinstance(outcome, AttemptFailed):
        return outcome._replace(cause=cast("Exception", key.scrub(outcome.cause)))
    headers = outcome.headers.redacted(key.redact)
    return outcome if headers is outcome.headers else evolve(outcome, headers=headers)


def _url(attempt: Attempt, outcome: Outcome) -> str:
    url = outcome.url or attempt.request.path.partition("?")[0]
    return url if outcome.key is None else outcome.key.redact(url)


def request_text(attempt: Attempt, outcome: Outcome) -> str:
    """Return method and URL of an attempt, for the text of errors and logs."""
    return f"{attempt.request.method} {_url(attempt, outcome)}"


def _transport_error(attempt: Attempt, outcome: AttemptFailed, finished: float) -> TransportError:
    kind, remedy = _classify_failure(attempt, outcome, finished)
    proxy = "" if outcome.proxy is None else f" through the proxy {outcome.proxy}"
    what = f"{request_text(attempt, outcome)}{proxy}: {outcome.failure.value}"
    error = kind(f"{what} ({_cause_message(outcome)}). {remedy}", cause=outcome.cause)
    error.__cause__ = outcome.cause
    error.method, error.url = attempt.request.method, _url(attempt, outcome)
    return error


def _classify_failure(attempt: Attempt, outcome: AttemptFailed, finished: float) -> tuple[type[TransportError], str]:
    failure = outcome.failure
    if failure is FailureKind.HOOK:
        return TransportError, "Correct the code that raised it"
    if not failure.timed_out:
        kind = TransportError if failure is FailureKind.OTHER else ConnectionFailedError
        return kind, "Check the network, the base URL and the proxy settings"
    if attempt.deadline is not None and finished + _CLOCK_RESOLUTION >= attempt.deadline:
        remedy = f"The call's deadline ran out in attempt {attempt.number}: allow it more time"
        return DeadlineExceededError, remedy
    return RequestTimeoutError, "Try again later, or raise `timeout`"


def _cause_message(outcome: AttemptFailed) -> str:
    """Return the text of the cause, or of what caused it if it has none: trio's errors of certificates have none."""
    # Behind a timeout are only internals of the library.
    errors = [outcome.cause] if outcome.failure.timed_out else exception_chain(outcome.cause)
    return next((text for text in map(exception_message, errors) if text), type(outcome.cause).__name__)


def _is_retryable(request: Request[object], outcome: Outcome, error: TriverseError) -> bool:
    if isinstance(error, (InvalidResponseError, DeadlineExceededError)):
        return False
    if isinstance(outcome, Reply):
        may_repeat = request.idempotent or (request.creation is not None and outcome.status == 429)  # noqa: PLR2004 - refused unread
        return outcome.status in RETRYABLE_STATUS_CODES and may_repeat
    return outcome.failure.repeatable and (request.idempotent or outcome.failure.surely_not_sent)


def _retry_delay(error: TriverseError, retry: int, runtime: Runtime) -> float:
    requested = error.retry_after if isinstance(error, APIError) else None
    return backoff(retry, runtime.jitter()) if requested is None else requested


def _describe_outcome(outcome: Outcome) -> str:
    if isinstance(outcome, Reply):
        return f"HTTP {outcome.status}"
    return f"{outcome.failure.value} ({type(outcome.cause).__name__})"


def log_attempt(attempt: Attempt, outcome: Outcome, seconds: float) -> None:
    """Log one attempt at the level DEBUG."""
    if _logger.isEnabledFor(logging.DEBUG):
        _logger.debug(
            "%s: %s in %.1f ms (attempt %d, request id %s)",
            request_text(attempt, outcome),
            _describe_outcome(outcome),
            seconds * 1000,
            attempt.number,
            outcome.headers.request_id if isinstance(outcome, Reply) else None,
        )


def log_retry(attempt: Attempt, outcome: Outcome, wait: float) -> None:
    """Log a failure that leads to another attempt."""
    _logger.warning(
        "%s: attempt %d got %s; trying again in %.2f s",
        request_text(attempt, outcome),
        attempt.number,
        _describe_outcome(outcome),
        wait,
    )
