"""The ledger of one account: credits are available, then frozen, then deducted or released.

Amounts are exact fractions in here, so credits are conserved to the last digit; they become floats on the way out.
"""

from __future__ import annotations

import math
from fractions import Fraction
from threading import Lock
from typing import Final

from triverse.core.api_errors import ConflictError, InsufficientCreditsError
from triverse.core.errors import ConfigurationError
from triverse.sandbox.errors import api_error

__all__ = ["Ledger", "exactly"]

# Far more than anyone has, and far from where sums of floats overflow.
_MOST: Final = 1e15


def exactly(amount: float) -> Fraction:
    """The amount as it is written: 0.1 is a tenth, which no float is.

    Raises:
        ConfigurationError: not a number of credits.
    """
    number = isinstance(amount, (int, float)) and not isinstance(amount, bool)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
    if not number or math.isnan(amount) or not 0 <= amount <= _MOST:
        message = f"credits are a number from 0 to {_MOST:g}, not {amount!r}"
        raise ConfigurationError(message)
    return Fraction(str(amount))


class Ledger:
    """Credits, available and frozen. Safe to share between threads."""

    def __init__(self, available: Fraction) -> None:
        self._available = available
        self._holds: dict[object, Fraction] = {}
        self._lock = Lock()

    def amounts(self) -> tuple[float, float]:
        """Available and frozen credits, at one moment."""
        with self._lock:
            return float(self._available), float(sum(self._holds.values()))

    def top_up(self, amount: Fraction) -> None:
        """Add available credits."""
        with self._lock:
            self._available += amount

    def freeze(self, hold: object, cost: Fraction) -> None:
        """Set available credits apart, under this hold.

        Raises:
            InsufficientCreditsError: there are not so many.
        """
        with self._lock:
            if cost > self._available:
                raise api_error(InsufficientCreditsError, 2010)
            self._available -= cost
            self._holds[hold] = cost

    def settle(self, hold: object, *, deduct: bool) -> None:
        """End a hold: its credits are gone, or available again.

        Raises:
            ConflictError: it has ended before.
        """
        with self._lock:
            cost = self._holds.pop(hold, None)
            if cost is None:
                raise api_error(ConflictError, 2005)
            if not deduct:
                self._available += cost
