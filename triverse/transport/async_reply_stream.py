"""Responses that are read in parts, by tasks.

No cancel scope or log context is held while the caller's code runs between two reads.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import Protocol, TypeVar, cast

import anyio
import httpcore
import httpx
from attrs import frozen

from triverse.core.attempt import Attempt, AttemptFailed, Outcome, Reply
from triverse.core.errors import TriverseError
from triverse.core.secret import Secret
from triverse.transport.event_loops import check_loop, running_loop
from triverse.transport.log_redaction import current_key, reset_key
from triverse.transport.outcomes import check_deadline, classify_error
from triverse.transport.reply_stream import check_chunk, check_process

__all__ = ["AsyncGuard", "AsyncGuardedSteps", "AsyncReplyStream", "cut"]

T = TypeVar("T")


class AsyncGuard(Protocol):
    """Holds what a task does with an httpx client to the deadline."""

    extensions: dict[str, object]

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy, if one is known to be used."""
        ...

    def scope(self) -> AbstractContextManager[object]:
        """Where the task uses the client."""
        ...

    def must_repeat(self) -> bool:
        """Whether the request is to be made again after an error."""
        ...

    def explain(self, error: Exception) -> Exception:
        """The error, or a clearer one."""
        ...


@frozen
class AsyncGuardedSteps:
    """The steps of one attempt. An error of one of them becomes an outcome."""

    make_guard: Callable[[], AsyncGuard]
    attempt: Attempt
    key: Secret
    url: str

    async def run(self, step: Callable[[AsyncGuard], Awaitable[T]]) -> T | Outcome:
        """Take one step."""
        token, loop = current_key.set(self.key), running_loop()
        try:
            while True:
                guard = self.make_guard()
                try:
                    with guard.scope():
                        check_deadline(self.attempt.deadline)
                        return await step(guard)
                except TriverseError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a library or a hook raises becomes an outcome
                    check_loop(loop)
                    if not guard.must_repeat():
                        return classify_error(guard.explain(error), self.key, self.url, guard.proxy)
                except BaseException as interrupt:
                    self.key.scrub(interrupt)
                    raise
        finally:
            reset_key(token)


class AsyncReplyStream:
    """A response whose body is read in parts.

    Attributes:
        reply: the response, without its body.
    """

    def __init__(
        self,
        reply: Reply,
        chunks: AsyncIterator[bytes],
        steps: AsyncGuardedSteps,
        response: httpx.Response | None = None,
    ) -> None:
        self.reply = reply
        self._chunks = chunks
        self._steps = steps
        self._response = response
        self._ended = False
        self._process = os.getpid()

    async def read(self) -> bytes | AttemptFailed:
        """The next part of the body, as it was received; b"" at its end.

        Raises:
            ConfigurationError: the response belongs to the process from which this one was forked.
        """
        check_process(self._process)
        # No hook runs here, whose error could carry a response.
        return cast("bytes | AttemptFailed", await self._steps.run(self._next))

    async def _next(self, _guard: AsyncGuard) -> bytes:
        part = await anext(self._chunks, None)
        while part is not None and not check_chunk(part):
            part = await anext(self._chunks, None)
        self._ended = part is None
        return part or b""

    async def aclose(self) -> None:
        """Close the connection, unless the body was read to its end."""
        if self._response is None:
            return
        if not self._ended:
            await cut(self._response, self._chunks)
        with suppress(Exception):  # the response is no longer wanted, however it ends
            await self._response.aclose()


async def cut(response: httpx.Response, chunks: AsyncIterator[bytes]) -> None:
    """Close the connection in the middle of a response, and end the asynchronous generators that read from it.

    They are nested, and `aclose()` of the outermost does not close the others. The garbage collector would do so, which
    trio reports as an error. Reading on fails, because the connection is closed, and so ends all of them.
    """
    stream: httpcore.AsyncNetworkStream | None = response.extensions.get("network_stream")
    with suppress(Exception):
        if stream is None:
            await response.aclose()
        else:
            # Not `response.aclose()`, which waits for a lock: a task that is being cancelled would not get it.
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            _report_as_closed(stream)
    with suppress(Exception):
        async for _ in chunks:
            pass


def _report_as_closed(stream: httpcore.AsyncNetworkStream) -> None:
    """Have httpcore drop the connection, if it takes it for idle because all of the response had been received.

    It asks each idle connection whether it is readable. On trio, the closed socket of a user's client would raise
    ValueError, for every request from then on.
    """
    info_of = stream.get_extra_info

    def info(name: str) -> object:
        return True if name == "is_readable" else info_of(name)

    vars(stream)["get_extra_info"] = info
