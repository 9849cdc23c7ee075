"""What became of credits between two balances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import frozen

from triverse.core.result import Serializable

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["BalanceChange", "compute_change", "exact_sum"]


@frozen(kw_only=True)
class BalanceChange(Serializable):
    """What happened to an account's credits between two balances, as `UserBalance.change_since()` finds out.

    The deltas are what changed, up or down. The four amounts, none below 0, are the smallest that explain the deltas by
    the life of a credit: a task that starts freezes its cost; one that succeeds has it deducted; one that fails or is
    cancelled releases it; credits that are bought top the account up. The sums agree:

    - `balance_delta == released + topped_up - frozen`
    - `frozen_delta == frozen - deducted - released`

    Changes that cancel out between the two balances are invisible: a deduction and a purchase of the same size look
    like a release, and a task that starts and fails in between leaves no trace. So each amount is a lower bound of what
    really moved.

    Attributes:
        balance_delta: change of the available credits.
        frozen_delta: change of the frozen credits.
        frozen: credits that new tasks hold.
        deducted: credits that tasks used up.
        released: credits that came back from tasks that failed or were cancelled.
        topped_up: credits that were added to the account.
    """

    balance_delta: float
    frozen_delta: float
    frozen: float
    deducted: float
    released: float
    topped_up: float

    @property
    def total_delta(self) -> float:
        """Change of available and frozen credits together."""
        return self.topped_up - self.deducted


def compute_change(balance: tuple[float, float], frozen: tuple[float, float]) -> BalanceChange:
    """The smallest story that leads from one pair of numbers to another.

    Args:
        balance: available credits, before and after.
        frozen: frozen credits, before and after.
    """
    balance_delta, frozen_delta = _delta(*balance), _delta(*frozen)
    total_delta = balance_delta + frozen_delta
    deducted = _positive_part(-total_delta)
    # What new tasks froze, less what others released: more of both would explain no more.
    held = frozen_delta + deducted
    return BalanceChange(
        balance_delta=_rounded(balance_delta),
        frozen_delta=_rounded(frozen_delta),
        frozen=_rounded(_positive_part(held)),
        deducted=_rounded(deducted),
        released=_rounded(_positive_part(-held)),
        topped_up=_rounded(_positive_part(total_delta)),
    )


def exact_sum(one: float, other: float) -> float:
    """Return the sum of two amounts by the digits that the service sent, so that 0.1 and 0.2 make 0.3."""
    return _rounded(_exact(one) + _exact(other))


def _delta(before: float, after: float) -> Fraction:
    return _exact(after) - _exact(before)


def _exact(amount: float) -> Fraction:
    # Imported late: it takes 2 ms, and most programs never add amounts.
    from fractions import Fraction  # noqa: PLC0415 - for the reason above

    return Fraction(repr(float(amount)))


def _positive_part(exact: Fraction) -> Fraction:
    return exact * (exact > 0)


def _rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
