"""Pickling of values that a test made itself."""

from __future__ import annotations

import pickle
from typing import TypeVar

__all__ = ["repickled"]

T = TypeVar("T")


def repickled(value: T) -> T:
    """Return what another process would get."""
    copy: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - the bytes were made by the call inside
    return copy
