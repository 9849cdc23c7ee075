"""Runs the same calls with both clients: sync, asyncio and trio. Tests of sockets use uvloop as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias, TypedDict, TypeVar, Unpack

import anyio

from triverse import AsyncTriverse, Timeout, Triverse

__all__ = ["KEY", "MODES", "MODES_AND_UVLOOP", "UVLOOP", "Mode", "Options", "drive", "run_async"]

T = TypeVar("T")

KEY = "tv-key-for-tests-0123456789"

Mode: TypeAlias = Literal["sync", "asyncio", "trio", "uvloop"]
MODES: tuple[Mode, ...] = ("sync", "asyncio", "trio")
# Many web applications run on uvloop: an asyncio event loop with its own socket code.
MODES_AND_UVLOOP: tuple[Mode, ...] = (*MODES, "uvloop")
UVLOOP = "asyncio", {"use_uvloop": True}


class Options(TypedDict, total=False):
    """Options of both constructors."""

    api_key: str | Callable[[], str]
    base_url: str
    timeout: float | Timeout
    deadline: float | None
    max_retries: int
    max_connections: int


def run_async(mode: Mode, main: Callable[[], Awaitable[T]]) -> T:
    """Run on the event loop of this name."""
    backend, options = UVLOOP if mode == "uvloop" else (mode, {})
    return anyio.run(main, backend=backend, backend_options=options)


def drive(
    mode: Mode,
    sync_way: Callable[[Triverse], T],
    async_way: Callable[[AsyncTriverse], Awaitable[T]],
    **options: Unpack[Options],
) -> T:
    """Make a client of this mode, do the same work with it, and close it."""
    options.setdefault("api_key", KEY)
    if mode == "sync":
        with Triverse(**options) as client:
            return sync_way(client)

    async def main() -> T:
        async with AsyncTriverse(**options) as client:
            return await async_way(client)

    return run_async(mode, main)
