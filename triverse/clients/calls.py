"""How a call begins: the exchange, with what the core may not look up for itself."""

from __future__ import annotations

import random
import time
from typing import Final, TypeVar

from triverse.core.exchange import Flow, Surroundings, exchange
from triverse.core.options import Policy
from triverse.core.request import Request

__all__ = ["SURROUNDINGS", "begin"]

T = TypeVar("T")

SURROUNDINGS: Final = Surroundings(time.monotonic, time.time, random.random)


def begin(request: Request[T], policy: Policy) -> Flow[T]:
    """The exchange of this call, in the world as it is.

    Raises:
        TriverseError: as `exchange()`.
    """
    return exchange(request, policy, SURROUNDINGS)
