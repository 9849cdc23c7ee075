"""When to send a request again, and how long to wait first.

- Retried: a connection that could not be made or broke, a timeout, and the statuses in `RETRYABLE_STATUS_CODES`.
- A request that is not idempotent is retried only if it surely did not reach the server.
- The wait is `Retry-After` if the server sent it, else exponential backoff with full jitter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from triverse.core.api_errors import APIError
from triverse.core.errors import ConnectionFailedError, RequestTimeoutError, TriverseError
from triverse.core.headers import Headers

__all__ = ["MAX_RETRY_DELAY", "RETRYABLE_STATUS_CODES", "backoff", "is_transient", "retry_after"]

RETRYABLE_STATUS_CODES: Final = frozenset({408, 429, 500, 502, 503, 504})

MAX_RETRY_DELAY: Final = 7 * 24 * 3600.0
"""A week. A server may ask for a wait of centuries, which the timers of operating systems refuse."""

_BASE_DELAY: Final = 0.5
_MAX_DELAY: Final = 8.0
_MAX_EXPONENT: Final = 5
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def backoff(retry: int, jitter: float) -> float:
    """Return the seconds to wait before a retry: a random part of a limit that doubles with each retry.

    Args:
        retry: 0 for the first retry.
        jitter: random, 0 up to 1.
    """
    return jitter * min(_MAX_DELAY, _BASE_DELAY * 2.0 ** min(retry, _MAX_EXPONENT))


def is_transient(error: TriverseError) -> bool:
    """Whether an idempotent request that failed like this may succeed when it is sent again."""
    if isinstance(error, APIError):
        return error.status_code in RETRYABLE_STATUS_CODES
    return isinstance(error, (ConnectionFailedError, RequestTimeoutError))


def retry_after(headers: Headers, wall_clock: Callable[[], float]) -> float | None:
    """Return the seconds of the `Retry-After` header; None if it is missing or invalid."""
    value = headers.get_first(b"retry-after")
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    then = _timestamp(value)
    if then is None:
        return None
    # Use the response's Date header as "now" if there is one: the local clock may be wrong.
    now = _timestamp(headers.get_first(b"date") or "")
    return max(0.0, then - (wall_clock() if now is None else now))


def _timestamp(http_date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(http_date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
