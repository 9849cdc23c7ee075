"""When to try again, and how long to wait first.

- Again: no connection, a broken one, a timeout, and the statuses in `RETRYABLE_STATUS_CODES`. Nothing else.
- A request that is not idempotent: only if it surely never reached the server.
- The wait: what `Retry-After` says, else exponential backoff with full jitter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC
from typing import Final

from triverse.core.headers import Headers

__all__ = ["RETRYABLE_STATUS_CODES", "backoff", "retry_after"]

RETRYABLE_STATUS_CODES: Final = frozenset({408, 429, 500, 502, 503, 504})

_BASE_DELAY: Final = 0.5
_LONGEST_WAIT: Final = 8.0
_MAX_EXPONENT: Final = 5
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def backoff(retry: int, jitter: float) -> float:
    """Seconds to wait before a retry: a random part of a bound that doubles each time.

    Args:
        retry: 0 for the first retry.
        jitter: random, 0 up to 1.
    """
    return jitter * min(_LONGEST_WAIT, _BASE_DELAY * 2.0 ** min(retry, _MAX_EXPONENT))


def retry_after(headers: Headers, wall_clock: Callable[[], float]) -> float | None:
    """Seconds that the server asks to wait; None where it does not say, or says nothing that makes sense."""
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
    # Against the server's own clock where it tells it, since ours may differ.
    now = _timestamp(headers.get_first(b"date") or "")
    return max(0.0, then - (wall_clock() if now is None else now))


def _timestamp(http_date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a twentieth of the import, and rarely used

    try:
        moment = parsedate_to_datetime(http_date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
