"""Descriptions of requests, by resource group: plain values that `client.execute()` runs."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triverse.api import tasks, uploads, users
else:

    def __getattr__(name: str) -> ModuleType:
        # Imported when they are used: of the three groups, most programs need one.
        if name == "tasks":
            import triverse.api.tasks as module  # noqa: PLC0415 - for the reason above
        elif name == "uploads":
            import triverse.api.uploads as module  # noqa: PLC0415 - for the reason above
        elif name == "users":
            import triverse.api.users as module  # noqa: PLC0415 - for the reason above
        else:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return module


__all__ = ["tasks", "uploads", "users"]
