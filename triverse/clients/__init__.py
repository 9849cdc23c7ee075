"""The clients: configuration, life cycle, and the two short drivers."""

from __future__ import annotations

from triverse._logging import configure_logging

configure_logging()
