"""The ledger of one account: credits are available, then frozen, then deducted or released.

Amounts are exact fractions inside the ledger, so credits are conserved to the last digit. They become floats when they
are read.
"""

from __future__ import annotations

import math
from fractions import Fraction
from threading import Lock
from typing import Final

from triverse.core.errors import ConfigurationError
from triverse.sandbox.errors import api_error

__all__ = ["Hold", "Ledger", "to_fraction"]

# Far above any real balance, and far below the range where sums of floats overflow.
_MAX_CREDITS: Final = 1e15


def to_fraction(amount: float) -> Fraction:
    """Return the amount in its decimal notation: 0.1 is a tenth, which no float is.

    Raises:
        ConfigurationError: not a number of credits.
    """
    number = isinstance(amount, (int, float)) and not isinstance(amount, bool)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
    if not number or math.isnan(amount) or not 0 <= amount <= _MAX_CREDITS:
        message = f"credits are a number from 0 to {_MAX_CREDITS:g}, not {amount!r}"
        raise ConfigurationError(message)
    return Fraction(str(amount))


class Ledger:
    """Credits, available and frozen. Safe to share between threads."""

    def __init__(self, available: Fraction) -> None:
        self._available = available
        self._spent = Fraction(0)
        self._holds: dict[Hold, Fraction] = {}
        self._lock = Lock()

    def amounts(self) -> tuple[float, float]:
        """Return available and frozen credits, read at one moment."""
        with self._lock:
            return float(self._available), float(sum(self._holds.values()))

    @property
    def spent(self) -> float:
        """Credits that were deducted so far."""
        return float(self._spent)

    def top_up(self, amount: Fraction) -> None:
        """Add available credits."""
        with self._lock:
            self._available += amount

    def freeze(self, cost: float) -> Hold:
        """Move available credits into a hold.

        Raises:
            InsufficientCreditsError: fewer credits are available.
            ConfigurationError: not a number of credits.
        """
        exact, hold = to_fraction(cost), Hold(self, cost)
        with self._lock:
            if exact > self._available:
                raise api_error(2010)
            self._available -= exact
            self._holds[hold] = exact
        return hold

    def settle(self, hold: Hold, *, deduct: bool) -> None:
        """End a hold: deduct its credits, or release them.

        Raises:
            ConflictError: it was settled before.
        """
        with self._lock:
            cost = self._holds.pop(hold, None)
            if cost is None:
                raise api_error(2005)
            if deduct:
                self._spent += cost
            else:
                self._available += cost


class Hold:
    """Credits frozen for one task. It is settled once, in one of three ways.

    Attributes:
        cost: how many credits.
    """

    def __init__(self, ledger: Ledger, cost: float) -> None:
        self.cost = cost
        self._ledger = ledger

    def succeed(self) -> None:
        """Deduct the credits: `frozen` falls.

        Raises:
            ConflictError: it is settled already.
        """
        self._ledger.settle(self, deduct=True)

    def fail(self) -> None:
        """Release the credits: `frozen` falls, `balance` rises.

        Raises:
            ConflictError: it is settled already.
        """
        self._ledger.settle(self, deduct=False)

    def cancel(self) -> None:
        """Release the credits: `frozen` falls, `balance` rises.

        Raises:
            ConflictError: it is settled already.
        """
        self._ledger.settle(self, deduct=False)
