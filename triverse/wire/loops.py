"""The event loop that runs here, asyncio's or trio's."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["running_loop"]


def running_loop() -> object:
    """What stands for the running event loop, as long as it lives."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            token: object = trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
        else:
            return token
    return asyncio.get_running_loop()
