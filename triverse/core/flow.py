"""Effects of flows over many calls: polling, waiting for a task.

Such a flow is a generator, like the exchange of one call. It yields an effect, and the engine that drives it sends in
what came of it. The policy is in the flow, and only the engines know threads and event loops. The rules:

- `Call`: sleep, make one call, and send in its `Response`, or the `TriverseError` that it raised.
- `Notify`: call a function of the user's, and send in None. The async engine awaits what the function returns if that
  is awaitable; the sync engine raises `ConfigurationError` for an awaitable. What the function raises is thrown into
  the flow.
- `Emit`: hand a value to the user's loop, and send in None when the loop asks for the next one.
- A `KeyboardInterrupt` during an effect is thrown into the flow, which may add a note to it, and leaves it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from attrs import frozen

from triverse.core.errors import TriverseError
from triverse.core.request import Request
from triverse.core.response import Response

__all__ = ["Call", "CallResult", "CallbackStoppedError", "Effect", "Emit", "Flow", "Notify", "is_interrupt", "passable"]

T = TypeVar("T")
V = TypeVar("V")


class Call(NamedTuple):
    """Sleep, then make one call.

    Attributes:
        request: what to send.
        after: seconds to sleep first.
        within: seconds that the call may take; the client's own deadline applies as well.
        max_retries: replaces the client's `max_retries`; None leaves it as it is.
    """

    request: Request[object]
    after: float = 0.0
    within: float = math.inf
    max_retries: int | None = None


class Notify(NamedTuple):
    """Call a function of the user's in the user's own thread or task.

    Attributes:
        name: of the argument that was given the function.
        callback: the function.
        value: its argument.
    """

    name: str
    callback: Callable[..., object]
    value: object


@frozen
class Emit(Generic[V]):
    """Hand a value to the user's loop."""

    value: V


CallResult: TypeAlias = Response[T] | TriverseError
Effect: TypeAlias = Call | Notify | Emit[V]
# What is sent in depends on the effect that was yielded, which types cannot express.
Flow: TypeAlias = Generator[Effect[V], CallResult[object] | None, T]


class CallbackStoppedError(RuntimeError):
    """A callback raised StopIteration.

    Attributes:
        stop: what it raised.
    """

    def __init__(self, stop: StopIteration) -> None:
        super().__init__("a callback raised StopIteration")
        self.stop: StopIteration = stop


def passable(error: BaseException) -> BaseException:
    """Return what a flow raises for the error of a callback: in a generator, StopIteration would mean its end."""
    if not isinstance(error, StopIteration):
        return error
    stopped = CallbackStoppedError(error)
    stopped.__cause__ = error
    return stopped


def is_interrupt(error: BaseException) -> bool:
    """Whether it is a Ctrl-C or a cancellation. With asyncio, a Ctrl-C arrives as one."""
    return not isinstance(error, (Exception, GeneratorExit))
