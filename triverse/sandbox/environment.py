"""What the accounts of one sandbox share: its clock, its settings, and its seeded randomness."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from triverse.core.errors import ConfigurationError
from triverse.sandbox.settings import SandboxSettings

__all__ = ["Environment"]

_FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Environment:
    """Clock, settings and randomness.

    Args:
        seed: of ids and keys.
        task_seconds: how long a task takes. None: it moves only by hand.
        clock: returns seconds, from any start. None: the system's monotonic clock.
        settings: what the documentation of the service leaves open.

    Attributes:
        secret: signs the URLs of the storage.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        task_seconds: float | None = 10.0,
        clock: Callable[[], float] | None = None,
        settings: SandboxSettings | None = None,
    ) -> None:
        self.random: Final = Random(seed)  # noqa: S311 - ids and keys of a sandbox protect nothing
        self.secret: Final = seed.to_bytes(32, "big", signed=True)
        self.settings: SandboxSettings = SandboxSettings() if settings is None else settings
        self.clock: Final = time.monotonic if clock is None else clock
        # With a clock of the test's own, times are the same in each run.
        self._epoch: Final = datetime.now(UTC) if clock is None else _FIRST_DAY
        self._start: Final = self.clock()
        self.task_seconds: float | None = check_seconds(task_seconds)

    def time_of(self, seconds: float) -> datetime:
        """Return the date and time at this reading of the clock."""
        return self._epoch + timedelta(seconds=seconds - self._start)

    def new_uuid(self) -> UUID:
        """Return the next id."""
        return UUID(int=self.random.getrandbits(128), version=4)


def check_seconds(seconds: float | None) -> float | None:
    """Return the duration of a task.

    Raises:
        ConfigurationError: not a number of seconds.
    """
    if seconds is None or (not isinstance(seconds, bool) and isinstance(seconds, (int, float)) and seconds >= 0):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        return seconds
    message = f"task_seconds must be a number of seconds or None, not {seconds!r}"
    raise ConfigurationError(message)
