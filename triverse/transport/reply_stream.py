"""Responses that are read in parts.

No guard, log context or cancel scope is held while the caller's code runs between two reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol, TypeVar, cast

from attrs import frozen

from triverse.core.attempt import Attempt, AttemptFailed, Outcome, Reply
from triverse.core.errors import ConfigurationError, TriverseError
from triverse.core.secret import Secret
from triverse.transport.cancel import AbortedError, CancelToken
from triverse.transport.log_redaction import current_key
from triverse.transport.outcomes import check_deadline, classify_error

__all__ = ["GuardedSteps", "ReplyStream", "check_chunk", "check_process"]

T = TypeVar("T")


class Guard(Protocol):
    """Holds what a thread does with an httpx client to the deadline."""

    @property
    def extensions(self) -> dict[str, object]:
        """For the request."""
        ...

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy, if one is known to be used."""
        ...

    def begin(self) -> None:
        """The thread begins to use the client."""
        ...

    def end(self) -> None:
        """The thread has ended that."""
        ...

    def explain(self, error: Exception) -> Exception:
        """The error, or a clearer one."""
        ...


@frozen
class GuardedSteps:
    """The steps of one attempt. An error of one of them becomes an outcome."""

    guard: Guard
    attempt: Attempt
    key: Secret
    url: str
    cancel: CancelToken | None

    def run(self, step: Callable[[], T]) -> T | Outcome:
        """Take one step, in the calling thread."""
        outer_key = current_key.get()
        try:
            current_key.set(self.key)
            self.guard.begin()
            check_deadline(self.attempt.deadline)
            return step()
        except (AbortedError, TriverseError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library or a hook raises becomes an outcome
            if self.cancel is not None:
                self.cancel.check()
            return classify_error(self.guard.explain(error), self.key, self.url, self.guard.proxy)
        except BaseException as interrupt:
            self.key.scrub(interrupt)
            raise
        finally:
            try:
                self.guard.end()
            except BaseException:  # KeyboardInterrupt, at the last moment
                # A guard that stays would shut down the sockets of this thread's later calls.
                self.guard.end()
                raise
            finally:
                current_key.set(outer_key)


class ReplyStream:
    """A response whose body is read in parts.

    Attributes:
        reply: the response, without its body.
    """

    def __init__(
        self, reply: Reply, chunks: Iterable[bytes], steps: GuardedSteps, close: Callable[[], object] | None = None
    ) -> None:
        self.reply = reply
        self._chunks = iter(chunks)
        self._steps = steps
        self._close = close
        self._process = os.getpid()

    def read(self) -> bytes | AttemptFailed:
        """The next part of the body, as it was received; b"" at its end.

        Raises:
            ConfigurationError: the response belongs to the process from which this one was forked.
        """
        check_process(self._process)
        # No hook runs here, whose error could carry a response.
        return cast("bytes | AttemptFailed", self._steps.run(self._next))

    def _next(self) -> bytes:
        part = next(self._chunks, None)
        while part is not None and not check_chunk(part):
            part = next(self._chunks, None)
        return part or b""

    def close(self) -> None:
        """Close the connection, unless the body was read to its end."""
        if self._close is not None:
            with suppress(Exception):  # the response is no longer wanted, however it ends
                self._close()


def check_chunk(chunk: object) -> bytes:
    """Refuse what a user's transport yields in place of bytes.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(chunk, bytes):
        message = f"the stream of the response yielded {type(chunk).__name__} in place of bytes"
        raise TypeError(message)
    return chunk


def check_process(process: int) -> None:
    """Refuse to read from a socket that was opened in another process: its own reads would miss what is read here.

    Raises:
        ConfigurationError: it is another process.
    """
    if process != os.getpid():
        message = "the download was begun in another process, from which this one was forked: begin it in this process"
        raise ConfigurationError(message)
