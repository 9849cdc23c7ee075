"""The clients: signatures over an engine, and what drives calls, transfers and flows."""

from __future__ import annotations

import os

if "TRIVERSE_LOG" in os.environ:  # imported only then, because logging takes 6 ms
    from triverse._logging import configure_logging

    configure_logging()
