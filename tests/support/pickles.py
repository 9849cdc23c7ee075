"""Pickling of values that a test made itself, and functions for other processes."""

from __future__ import annotations

import asyncio
import os
import pickle
from typing import TypeVar

from triverse import AsyncTriverse, Triverse

__all__ = ["fetch_total", "fetch_total_async", "key_of_this_process", "repickled"]

T = TypeVar("T")


def repickled(value: T) -> T:
    """Return a value as another process would receive it."""
    copy: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - the bytes were made by the call inside
    return copy


def fetch_total(client: Triverse) -> tuple[int, float]:
    """Return the process id and the credits, from another process."""
    with client:
        return os.getpid(), client.users.balance().total


def fetch_total_async(client: AsyncTriverse) -> tuple[int, float]:
    """Return the process id and the credits, from another process."""

    async def main() -> float:
        async with client:
            return (await client.users.balance()).total

    return os.getpid(), asyncio.run(main())


def key_of_this_process() -> str:
    """Return the key for a client that was pickled with this function."""
    return "tv-key-from-a-function"
