"""The transport for threads: sends one attempt through an httpx client, ours or the user's."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import NamedTuple, cast

import httpx
from attrs import evolve

from triverse.core.attempt import Attempt, AttemptFailed, Outcome, Reply
from triverse.core.errors import ConfigurationError, TriverseError
from triverse.core.secret import Secret
from triverse.transport.bodies import SyncBodyStream
from triverse.transport.cancel import AbortedError, CancelToken
from triverse.transport.client import CookielessClient
from triverse.transport.environment import ProxyTable
from triverse.transport.log_redaction import current_key
from triverse.transport.outcomes import (
    FORKED_CLIENT,
    BodyReader,
    classify_error,
    pool_timeout_failure,
    to_reply,
)
from triverse.transport.pool import LARGE_READS, READ_SIZE, ConnectionPool, PoolGuard
from triverse.transport.reply_stream import GuardedSteps, ReplyStream
from triverse.transport.requests import RequestEncoder, check_http_client, pool_timeout, send_options
from triverse.transport.semaphore import FairSemaphore, Permit
from triverse.transport.user_client import DeadlineWatch, UserClientGuard

__all__ = ["Transport"]


class ProcessState(NamedTuple):
    """What belongs to one process."""

    semaphore: FairSemaphore
    client: httpx.Client
    pool: ConnectionPool | None


class Transport:
    """Sends attempts, at most `max_connections` at once.

    In a forked child it starts again with a semaphore and connections of its own. On sockets that two processes share,
    each could read the other's responses, and a lock may have been held by a thread that the child does not have.
    """

    def __init__(self, url: httpx.URL, max_connections: int, http_client: httpx.Client | None) -> None:
        if http_client is not None:
            check_http_client(http_client, "Client", "close")
        self.base_url: str = str(url)
        self.closed: bool = False
        self._max_connections = max_connections
        self._proxies = ProxyTable(url)
        self._watch = None if http_client is None else DeadlineWatch(http_client)
        self._encoder = RequestEncoder(url, SyncBodyStream, http_client)
        # By process, and never emptied: finalizers of a parent's objects have nothing to do in a child.
        self._states: dict[int, ProcessState] = {os.getpid(): self._make_state(http_client)}

    def _make_state(self, http_client: httpx.Client | None = None) -> ProcessState:
        semaphore = FairSemaphore(self._max_connections)
        if http_client is not None:
            return ProcessState(semaphore, http_client, None)
        pool = ConnectionPool(self._proxies)
        return ProcessState(semaphore, CookielessClient(pool), pool)

    def _state_after_fork(self) -> ProcessState:
        for inherited in tuple(self._states.values()):
            if inherited.pool is None:
                raise ConfigurationError(FORKED_CLIENT)
            inherited.pool.close()
        # Of threads that come here at once, all get the first one's.
        return self._states.setdefault(os.getpid(), self._make_state())

    def attempt(self, attempt: Attempt, key: Secret, cancel: CancelToken | None = None) -> Outcome:
        """Send the request once, and read the response.

        Raises:
            ConfigurationError: the request cannot be sent. Nothing was sent.
            AbortedError: `cancel` was cancelled.
        """
        state = self._states.get(os.getpid()) or self._state_after_fork()
        target = self._encoder.target(attempt.request)
        url = key.redact(target.text)
        guard, permit, outer_key = self._guard(attempt, target.url, cancel), Permit(), current_key.get()
        try:
            current_key.set(key)
            if not state.semaphore.try_acquire(permit) and not _wait(state.semaphore, permit, attempt, cancel):
                return pool_timeout_failure(key, url)
            try:
                guard.begin()
                request = self._encoder.encode(attempt, key, target, guard.extensions)
                response = state.client.send(request, stream=True, follow_redirects=False, **send_options(attempt))
                try:
                    body = BodyReader(attempt.deadline)
                    _read_body(response, body)
                finally:
                    response.close()
                return to_reply(response, None if response.is_stream_consumed else body.body(), key, url)
            except (AbortedError, TriverseError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a library or a hook raises becomes an outcome
                if cancel is not None:
                    cancel.check()
                return classify_error(guard.explain(error), key, url, guard.proxy)
            except BaseException as interrupt:
                key.scrub(interrupt)
                raise
        finally:
            try:
                state.semaphore.release(permit)
                guard.end()
                current_key.set(outer_key)
            except BaseException:  # KeyboardInterrupt, at the last moment
                state.semaphore.release(permit)
                guard.end()
                current_key.set(outer_key)
                raise

    def _guard(self, attempt: Attempt, url: httpx.URL, cancel: CancelToken | None) -> PoolGuard | UserClientGuard:
        if self._watch is None:
            return PoolGuard(self._proxies, attempt, url, cancel)
        return UserClientGuard(self._watch, attempt, url, cancel)

    @contextmanager
    def open(
        self, attempt: Attempt, key: Secret, cancel: CancelToken | None = None
    ) -> Generator[ReplyStream | AttemptFailed, None, None]:
        """Send the request once, and read the response in parts.

        Leaving the block closes the connection, unless the body was read to its end.

        Raises:
            ConfigurationError: the request cannot be sent. Nothing was sent.
            AbortedError: `cancel` was cancelled.
        """
        state = self._states.get(os.getpid()) or self._state_after_fork()
        permit = Permit()
        try:
            opened = self._open(state, permit, attempt, key, cancel)
            try:
                yield opened
            finally:
                if isinstance(opened, ReplyStream):
                    try:
                        opened.close()
                    except BaseException:  # KeyboardInterrupt, at the last moment
                        opened.close()
                        raise
        finally:
            try:
                state.semaphore.release(permit)
            except BaseException:  # KeyboardInterrupt, at the last moment
                state.semaphore.release(permit)
                raise

    def _open(
        self, state: ProcessState, permit: Permit, attempt: Attempt, key: Secret, cancel: CancelToken | None
    ) -> ReplyStream | AttemptFailed:
        target = self._encoder.target(attempt.request)
        url = key.redact(target.text)
        if not state.semaphore.try_acquire(permit) and not _wait(state.semaphore, permit, attempt, cancel):
            return pool_timeout_failure(key, url)
        steps = GuardedSteps(self._guard(attempt, target.url, cancel), attempt, key, url, cancel)

        def send() -> ReplyStream:
            extensions = {**steps.guard.extensions, READ_SIZE: LARGE_READS}
            request = self._encoder.encode(attempt, key, target, extensions)
            response = state.client.send(request, stream=True, follow_redirects=False, **send_options(attempt))
            return ReplyStream(to_reply(response, b"", key, url), _unread(response), steps, response.close)

        opened = steps.run(send)
        if isinstance(opened, Reply):
            return ReplyStream(evolve(opened, body=b""), (opened.body,), steps)
        return opened

    def close(self) -> None:
        """Close the connections: idle ones now, those in use as their responses end."""
        self.closed = True
        state = self._states.get(os.getpid())
        if state is not None and state.pool is not None:
            state.pool.close()


def _wait(semaphore: FairSemaphore, permit: Permit, attempt: Attempt, cancel: CancelToken | None) -> bool:
    """Wait for a permit; False if none came in time."""
    if cancel is None:
        return semaphore.wait(permit, pool_timeout(attempt))
    cancel.on_cancel(permit.stop_waiting)
    try:
        held = semaphore.wait(permit, pool_timeout(attempt))
    finally:
        cancel.remove(permit.stop_waiting)
    cancel.check()
    return held


def _read_body(response: httpx.Response, body: BodyReader) -> None:
    # Not inside of the `try` of `attempt()`: Python 3.13.0 leaves the backward jump of this loop out of the exception
    # table, so that a KeyboardInterrupt there would skip the `finally` and lose the permit.
    for chunk in _unread(response):
        if not body.append(chunk):
            break


def _unread(response: httpx.Response) -> Iterable[bytes]:
    """The rest of the body; nothing if a hook has read it."""
    if response.is_stream_consumed:
        return (response.read(),)  # fails if the hook has not kept it
    # Not `iter_raw()`, which only divides and counts the chunks and takes 8 µs, 3 % of a call (2026-11).
    return cast("Iterable[bytes]", response.stream)
