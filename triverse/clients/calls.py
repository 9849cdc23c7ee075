"""How a call begins: the exchange, with what the core may not look up for itself."""

from __future__ import annotations

import random
import time
from typing import Final, TypeVar
from uuid import uuid4

from triverse.core.exchange import CallFlow, Runtime, exchange
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.transport.clock import monotonic

__all__ = ["SYSTEM", "begin"]

T = TypeVar("T")

SYSTEM: Final = Runtime(monotonic, time.time, random.random, lambda: str(uuid4()))


def begin(request: Request[T], policy: Policy) -> CallFlow[T]:
    """The exchange of this call, in the world as it is.

    Raises:
        TriverseError: as `exchange()`.
    """
    return exchange(request, policy, SYSTEM)
