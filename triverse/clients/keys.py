"""The key that a callable of the user's gives."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable

from triverse.core.errors import ConfigurationError, DeadlineExceededError
from triverse.core.secret import Secret

__all__ = ["await_for_key", "call_for_key"]


def call_for_key(source: Callable[[], object]) -> Secret:
    """The key that the user's callable gives.

    Raises:
        ConfigurationError: it failed, or gave what cannot be a key. The message does not show what.
    """
    try:
        value = source()
    except Exception as error:
        raise _failed(error) from error
    if inspect.iscoroutine(value):
        value.close()
        message = "the api_key callable is async: use AsyncTriverse, or a plain function"
        raise ConfigurationError(message)
    key = Secret(value)
    del value  # else a traceback that shows variables shows it
    return key.validated()


async def await_for_key(source: Callable[[], object], deadline: float | None) -> Secret:
    """The key that the user's callable gives, at once or when awaited.

    Raises:
        ConfigurationError: it failed, or gave what cannot be a key. The message does not show what.
        DeadlineExceededError: it took too long.
    """
    import anyio  # noqa: PLC0415 - loaded with the wire, and not before

    left = math.inf if deadline is None else deadline - time.monotonic()
    try:
        value = source()
        with anyio.move_on_after(left) as waiting:
            if inspect.isawaitable(value):
                value = await value
    except Exception as error:
        raise _failed(error) from error
    if waiting.cancelled_caught:
        message = "the api_key callable gave no key before the call's deadline"
        raise DeadlineExceededError(message)
    key = Secret(value)
    del value  # as there
    return key.validated()


def _failed(error: Exception) -> ConfigurationError:
    return ConfigurationError(f"the api_key callable raised {type(error).__name__}: see its cause")
