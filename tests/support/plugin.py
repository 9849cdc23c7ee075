"""Loads the package's pytest plugin, even if the package is not installed and pytest cannot find it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

__all__ = ["LOAD_PLUGIN"]

LOAD_PLUGIN: Final[list[str]] = (
    [] if entry_points(group="pytest11", name="triverse") else ["-p", "triverse.pytest_plugin"]
)
