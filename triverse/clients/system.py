"""The clocks and the randomness of the system."""

from __future__ import annotations

import random
import time
from typing import Final
from uuid import uuid4

from triverse.core.runtime import Runtime
from triverse.transport.clock import monotonic

__all__ = ["SYSTEM"]

SYSTEM: Final = Runtime(monotonic, time.time, random.random, lambda: str(uuid4()))
