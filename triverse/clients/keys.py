"""Keys that a callable of the user's returns."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from typing import Final

import anyio

from triverse.core.errors import ConfigurationError, DeadlineExceededError
from triverse.core.secret import Secret

__all__ = ["key_from_async_callable", "key_from_callable"]

_NAME: Final = "the API key that the api_key callable returned"


def key_from_callable(source: Callable[[], object]) -> Secret:
    """Return the key that the user's callable returns.

    Raises:
        ConfigurationError: it raised, or returned a value that cannot be a key. The message does not show the value.
    """
    try:
        value = source()
    except Exception as error:
        raise _failed(error) from error
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        message = "the api_key callable is async: use AsyncTriverse, or a plain function"
        raise ConfigurationError(message)
    key = Secret(value)
    del value  # otherwise a traceback that shows variables would show the key
    return key.validated(_NAME)


async def key_from_async_callable(source: Callable[[], object], deadline: float | None) -> Secret:
    """Return the key that the user's callable returns, at once or when awaited.

    Raises:
        ConfigurationError: it raised, or returned a value that cannot be a key. The message does not show the value.
        DeadlineExceededError: it took too long.
    """
    left = math.inf if deadline is None else deadline - time.monotonic()
    try:
        value = source()
        with anyio.move_on_after(left) as waiting:
            if inspect.isawaitable(value):
                value = await value
    except Exception as error:
        raise _failed(error) from error
    if waiting.cancelled_caught:
        message = "the api_key callable returned no key before the call's deadline"
        raise DeadlineExceededError(message)
    key = Secret(value)
    del value  # otherwise a traceback that shows variables would show the key
    return key.validated(_NAME)


def _failed(error: Exception) -> ConfigurationError:
    return ConfigurationError(f"the api_key callable raised {type(error).__name__}: see its cause")
