"""The clock of all timers and deadlines.

freezegun replaces `time.monotonic` in every module that has imported it. A deadline on one clock would then be compared
with the other, and every call would fail at once. It leaves `time.clock_gettime` alone. On Linux both read the same
clock. Callers must take `monotonic` from here, so that all deadlines are on one clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

__all__ = ["monotonic"]


def _real_monotonic() -> Callable[[], float]:
    try:
        clock = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    except AttributeError:  # Windows
        clock = partial(time.monotonic)  # freezegun looks for the function itself, not for a partial of it
    return clock


monotonic: Final[Callable[[], float]] = _real_monotonic()
