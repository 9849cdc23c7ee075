"""Modules that are imported when one of their names is used for the first time.

`from triverse import Triverse` needs none of them. A client imports what its first call needs when it is made, and few
programs need the rest: tasks and files take 40 ms (2026-11). A name in an annotation is looked up by
`typing.get_type_hints()`, as dependency injection does.

A child that is forked while another thread imports a module would wait for that module for ever. So `fork()` waits
until no thread imports one of these.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from triverse.transport.locks import run_locked

__all__ = [
    "api_users",
    "async_balances",
    "async_engine",
    "async_tasks_namespace",
    "async_transfers",
    "config",
    "downloads",
    "fan_out",
    "httpx",
    "options",
    "requests",
    "responses",
    "secret",
    "starlette_applications",
    "sync_engine",
    "tasks_namespace",
    "transfers",
    "uploads",
    "users_namespace",
]

if TYPE_CHECKING:
    import httpx
    from starlette import applications as starlette_applications

    from triverse.api import downloads, uploads, users_namespace
    from triverse.api import users as api_users
    from triverse.api.tasks import async_namespace as async_tasks_namespace
    from triverse.api.tasks import namespace as tasks_namespace
    from triverse.clients import async_balances, async_engine, async_transfers, config, fan_out, transfers
    from triverse.clients import engine as sync_engine
    from triverse.core import options, secret
    from triverse.core import request as requests
    from triverse.core import response as responses
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

    def _sync_engine() -> ModuleType:
        from triverse.clients import engine as module

        return module

    def _async_engine() -> ModuleType:
        from triverse.clients import async_engine as module

        return module

    def _fan_out() -> ModuleType:
        from triverse.clients import fan_out as module

        return module

    def _api_users() -> ModuleType:
        from triverse.api import users as module

        return module

    def _async_balances() -> ModuleType:
        from triverse.clients import async_balances as module

        return module

    def _config() -> ModuleType:
        from triverse.clients import config as module

        return module

    def _options() -> ModuleType:
        from triverse.core import options as module

        return module

    def _requests() -> ModuleType:
        from triverse.core import request as module

        return module

    def _responses() -> ModuleType:
        from triverse.core import response as module

        return module

    def _secret() -> ModuleType:
        from triverse.core import secret as module

        return module

    _importing = threading.RLock()

    @cache
    def _guard_forks() -> None:
        # Functions that are registered later are called earlier. `fork()` must not take the lock of logging first: an
        # import may wait for it.
        import logging  # noqa: F401 - for the reason above

        if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
            os.register_at_fork(
                before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release
            )

    class _LazyModule:
        def __init__(self, load: Callable[[], ModuleType]) -> None:
            self._load = load

        def __getattr__(self, name: str) -> object:
            _guard_forks()
            value = getattr(run_locked(_importing, self._load), name)
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
    sync_engine = _LazyModule(_sync_engine)
    async_engine = _LazyModule(_async_engine)
    fan_out = _LazyModule(_fan_out)
    api_users = _LazyModule(_api_users)
    async_balances = _LazyModule(_async_balances)
    config = _LazyModule(_config)
    options = _LazyModule(_options)
    requests = _LazyModule(_requests)
    responses = _LazyModule(_responses)
    secret = _LazyModule(_secret)
