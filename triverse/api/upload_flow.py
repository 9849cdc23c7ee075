"""The rules of one upload.

- The service allows ten uploads in 60 seconds, images and models together. Uploads of one client and its views by one
  key wait until this window has space.
- A 429 comes if other processes use up the window. It is waited out, for the time in `Retry-After`, else for up to
  60 seconds, and does not count as a retry.
- Other failures are retried like those of idempotent requests: an upload costs nothing. Each attempt sends the same
  bytes.
- `timeout` bounds all of it; the client's `deadline` does not apply.
"""

from __future__ import annotations

import math
from typing import Final, Never, Protocol, TypeVar, cast

from attrs import evolve

from triverse.api.transfers import TransferLimits
from triverse.core.api_errors import APIError, RateLimitError
from triverse.core.errors import DeadlineExceededError, TriverseError
from triverse.core.flow import Call, Flow, passable
from triverse.core.multipart import MultipartBody
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.retry import MAX_RETRY_DELAY, backoff, is_transient
from triverse.core.runtime import Runtime

__all__ = ["UploadWindow", "upload_flow"]

T = TypeVar("T")

# Pauses after a 429 without `Retry-After`: 60 seconds in total.
_PAUSES: Final = (2.0, 4.0, 8.0, 16.0, 30.0)
# A server that answers 429 with `Retry-After` again and again is given up at some point.
_MAX_RATE_LIMITED: Final = 20


class UploadWindow(Protocol):
    """The uploads of one key in the last 60 seconds."""

    def reserve(self, earliest: float) -> float:
        """Reserve the next upload, and return when it may start, at or after this time of the monotonic clock."""
        ...

    def release(self, start: float) -> None:
        """Take a reservation back, since the service did not count the upload."""
        ...


def upload_flow(
    request: Request[T], body: MultipartBody, window: UploadWindow, limits: TransferLimits
) -> Flow[Never, Response[T]]:
    """Upload one file by the rules at the head of this module.

    Args:
        request: the request with its body.
        body: the same body, for the reason why it failed.
        window: the uploads by the same key.
        limits: how long and how often it may be tried.
    """
    now = limits.runtime.monotonic
    started, attempts, wait = now(), 0, 0.0
    failures = _Failures(limits.runtime, limits.max_retries)
    while True:
        start = window.reserve(now() + wait)
        try:
            _check_fits(start, now(), limits.until, failures.last)
            # The call's own deadline begins after the pause.
            one_call = evolve(request, deadline=None if limits.until == math.inf else limits.until - start)
            outcome = yield Call(one_call, max(0.0, start - now()), max_retries=0)
        except BaseException:
            if now() < start:
                window.release(start)
            raise
        attempts += 1
        if body.failure is not None:
            raise passable(body.failure)
        if isinstance(outcome, Response):
            response: Response[T] = cast("Response[T]", outcome)
            return evolve(response, attempts=attempts, elapsed=now() - started)
        if isinstance(outcome, RateLimitError):
            window.release(start)
        wait = failures.pause(cast("TriverseError", outcome))


class _Failures:
    """The failed attempts of one upload.

    Attributes:
        last: the error of the last one.
    """

    def __init__(self, runtime: Runtime, max_retries: int) -> None:
        self.last: TriverseError | None = None
        self._runtime = runtime
        self._retries_left = max_retries
        self._retries = 0
        self._refused = 0

    def pause(self, error: TriverseError) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            TriverseError: this error, if there is to be no other attempt.
        """
        self.last = error
        requested = error.retry_after if isinstance(error, APIError) else None
        pause = self._rate_limit_pause(requested) if isinstance(error, RateLimitError) else self._retry_pause(requested)
        if pause is None or pause > MAX_RETRY_DELAY or not is_transient(error):
            raise error
        return pause

    def _rate_limit_pause(self, requested: float | None) -> float | None:
        self._refused += 1
        pauses = _PAUSES if requested is None else (requested,) * _MAX_RATE_LIMITED
        return pauses[self._refused - 1] if self._refused <= len(pauses) else None

    def _retry_pause(self, requested: float | None) -> float | None:
        if self._retries_left == 0:
            return None
        self._retries_left -= 1
        self._retries += 1
        return backoff(self._retries - 1, self._runtime.jitter()) if requested is None else requested


def _check_fits(start: float, now: float, until: float, last: TriverseError | None) -> None:
    if start < until:
        return
    raise last or DeadlineExceededError(
        f"the upload would have to wait {start - now:.1f} s, since the service allows ten in 60 seconds, which is more "
        "than its timeout. Raise `timeout`, or upload less often"
    )
