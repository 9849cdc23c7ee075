"""The name `httpx` for annotations, without importing httpx before somebody evaluates one.

`typing.get_type_hints()` evaluates annotations, as dependency injection does. `import httpx` takes 70 ms (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["httpx"]

if TYPE_CHECKING:
    import httpx
else:

    class _LazyHttpx:
        def __getattr__(self, name: str) -> object:
            import httpx as module  # noqa: PLC0415 - the purpose of this file

            return getattr(module, name)

    httpx = _LazyHttpx()
