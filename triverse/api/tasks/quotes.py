"""The price of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from attrs import field, frozen

from triverse.core._read_only import read_only
from triverse.core.result import Result

__all__ = ["Quote"]


def _read_only_params(value: Mapping[str, object]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", read_only(dict(value)))


@frozen
class Quote(Result):
    """The price of a task before it is created, from `POST /tasks/pricing/quote`.

    Attributes:
        flow_name: the flow that was quoted.
        params: the parameters that determine the price, as the service normalised them.
        cost_credits: the price in API credits.
        available_credits: API credits that are available now.
    """

    flow_name: str
    params: Mapping[str, object] = field(hash=False, converter=_read_only_params)
    cost_credits: float
    available_credits: float

    @property
    def affordable(self) -> bool:
        """Whether the available credits cover the price."""
        return self.available_credits >= self.cost_credits
