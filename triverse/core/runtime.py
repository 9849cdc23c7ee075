"""Clocks and randomness of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Runtime"]


class Runtime(NamedTuple):
    """Clocks and randomness, passed in so that the core is deterministic.

    Attributes:
        monotonic: seconds on a clock that never goes back.
        wall_clock: seconds since the epoch.
        jitter: a random number, 0 up to 1.
        new_id: a new unique id for one call.
    """

    monotonic: Callable[[], float]
    wall_clock: Callable[[], float]
    jitter: Callable[[], float]
    new_id: Callable[[], str]
