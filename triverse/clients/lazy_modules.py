"""Modules that are imported when one of their names is used for the first time.

`from triverse import Triverse` needs none of them, and most programs need few: httpx takes 70 ms, tasks and files take
40 ms (2026-11). A name in an annotation is looked up by `typing.get_type_hints()`, as dependency injection does.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = [
    "async_tasks_namespace",
    "async_transfers",
    "downloads",
    "httpx",
    "starlette_applications",
    "tasks_namespace",
    "transfers",
    "uploads",
    "users_namespace",
]

if TYPE_CHECKING:
    import httpx
    from starlette import applications as starlette_applications

    from triverse.api import downloads, uploads, users_namespace
    from triverse.api.tasks import async_namespace as async_tasks_namespace
    from triverse.api.tasks import namespace as tasks_namespace
    from triverse.clients import async_transfers, transfers
else:
    # Import statements, because tools that freeze applications do not find modules that are imported by a text.

    def _httpx() -> ModuleType:
        import httpx as module

        return module

    def _starlette_applications() -> ModuleType:
        import starlette.applications as module

        return module

    def _downloads() -> ModuleType:
        from triverse.api import downloads as module

        return module

    def _uploads() -> ModuleType:
        from triverse.api import uploads as module

        return module

    def _users_namespace() -> ModuleType:
        from triverse.api import users_namespace as module

        return module

    def _tasks_namespace() -> ModuleType:
        from triverse.api.tasks import namespace as module

        return module

    def _async_tasks_namespace() -> ModuleType:
        from triverse.api.tasks import async_namespace as module

        return module

    def _transfers() -> ModuleType:
        from triverse.clients import transfers as module

        return module

    def _async_transfers() -> ModuleType:
        from triverse.clients import async_transfers as module

        return module

    class _LazyModule:
        def __init__(self, load: Callable[[], ModuleType]) -> None:
            self._load = load

        def __getattr__(self, name: str) -> object:
            value = getattr(self._load(), name)
            setattr(self, name, value)
            return value

    httpx = _LazyModule(_httpx)
    starlette_applications = _LazyModule(_starlette_applications)
    downloads = _LazyModule(_downloads)
    uploads = _LazyModule(_uploads)
    users_namespace = _LazyModule(_users_namespace)
    tasks_namespace = _LazyModule(_tasks_namespace)
    async_tasks_namespace = _LazyModule(_async_tasks_namespace)
    transfers = _LazyModule(_transfers)
    async_transfers = _LazyModule(_async_transfers)
