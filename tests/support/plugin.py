"""The pytest plugin, also where the package is not installed and so nothing points pytest to it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

__all__ = ["LOAD_PLUGIN"]

LOAD_PLUGIN: Final[list[str]] = (
    [] if entry_points(group="pytest11", name="triverse") else ["-p", "triverse.pytest_plugin"]
)
