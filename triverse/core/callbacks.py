"""Functions of the user's that are called during a call, such as `on_progress`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction
from typing import TypeVar, cast

from triverse.core.errors import ConfigurationError
from triverse.core.text import safe_repr

__all__ = ["call_async", "call_sync", "check_callback"]

T = TypeVar("T")


def check_callback(name: str, callback: object, *, may_be_async: bool) -> None:
    """Check a callback before anything is sent.

    Raises:
        ConfigurationError: it cannot be called, or is asynchronous where that is not possible.
    """
    if callback is None:
        return
    if not callable(callback):
        raise ConfigurationError(f"{name} must be a function, not {safe_repr(callback)}")
    while isinstance(callback, partial):
        callback = cast("partial[object]", callback).func
    functions = (callback, type(callback).__call__)
    if any(map(isasyncgenfunction, functions)):
        raise ConfigurationError(f"{name} must not be an async generator: it has a `yield`, so calling it does nothing")
    if not may_be_async and any(map(iscoroutinefunction, functions)):
        raise _asynchronous(name)


def _asynchronous(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} must not be asynchronous here. Use AsyncTriverse, or pass a plain function")


def call_sync(name: str, callback: Callable[[T], object], value: T) -> None:
    """Call a callback.

    Raises:
        ConfigurationError: it returned something to await.
    """
    result = callback(value)
    if isawaitable(result):
        if isinstance(result, Coroutine):
            result.close()  # or Python warns that it was never awaited
        raise _asynchronous(name)


def call_async(callback: Callable[[T], object], value: T) -> Awaitable[object] | None:
    """Call a callback, and return what is to be awaited; None if there is nothing."""
    result = callback(value)
    return result if isawaitable(result) else None
