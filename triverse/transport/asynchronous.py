"""The transport for tasks, on asyncio and trio: sends one attempt through an httpx client, ours or the user's."""

from __future__ import annotations

import concurrent.futures.thread
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, cast

import anyio
import anyio._backends._asyncio
import httpx
from attrs import evolve

from triverse.core.attempt import Attempt, AttemptFailed, Outcome, Reply
from triverse.core.errors import ConfigurationError, TriverseError
from triverse.core.secret import Secret
from triverse.transport.async_pool import AsyncConnectionPool
from triverse.transport.async_reply_stream import AsyncGuard, AsyncGuardedSteps, AsyncReplyStream, cut
from triverse.transport.async_user_client import AsyncUserClientGuard, LoopHistory
from triverse.transport.bodies import AsyncBodyStream
from triverse.transport.client import CookielessAsyncClient
from triverse.transport.environment import ProxyTable
from triverse.transport.event_loops import PerLoop, check_loop, is_running_here, running_loop
from triverse.transport.log_redaction import current_key, reset_key
from triverse.transport.outcomes import FORKED_CLIENT, BodyReader, classify_error, pool_timeout_failure, to_reply
from triverse.transport.pool import LARGE_READS, READ_SIZE, AsyncPoolGuard
from triverse.transport.requests import RequestEncoder, Target, check_http_client, pool_timeout, send_options

__all__ = ["AsyncTransport"]

# anyio and asyncio import these during the first call. In a child that is forked meanwhile, by another thread, their
# import locks would be held for ever.
_IMPORTED_BEFORE_THE_FIRST_CALL: Final = (anyio._backends._asyncio, concurrent.futures.thread)  # noqa: SLF001


class LoopState(NamedTuple):
    """What belongs to one event loop."""

    loop: object
    semaphore: anyio.Semaphore
    client: httpx.AsyncClient
    pool: AsyncConnectionPool | None
    until_loop_shutdown: AsyncGenerator[None, None]

    def release_permit(self) -> None:
        """Let the next task have the permit."""
        if is_running_here(self.loop):
            self.semaphore.release()

    def release(self) -> None:
        """Close the connections without the loop."""
        if self.pool is not None:
            self.pool.release()


class AsyncTransport:
    """Sends attempts, at most `max_connections` at once in each event loop.

    Each event loop has a semaphore and connections of its own, because neither works in another one. So has a forked
    child.
    """

    def __init__(self, url: httpx.URL, max_connections: int, http_client: httpx.AsyncClient | None) -> None:
        if http_client is not None:
            check_http_client(http_client, "AsyncClient", "aclose")
        self.base_url: str = str(url)
        self.closed: bool = False
        self._max_connections = max_connections
        self._proxies = ProxyTable(url)
        self._http_client = http_client
        self._history = None if http_client is None else LoopHistory(http_client)
        self._encoder = RequestEncoder(url, AsyncBodyStream, http_client)
        self._process = os.getpid()
        self._states: PerLoop[LoopState] = PerLoop(LoopState.release)

    async def _create_loop_state(self) -> LoopState:
        client, pool = self._http_client, None
        if client is None:
            pool = AsyncConnectionPool(self._proxies)
            pool.closed = self.closed
            client = CookielessAsyncClient(pool)
        elif self._process != os.getpid():
            raise ConfigurationError(FORKED_CLIENT)
        until_loop_shutdown = _close_on_loop_shutdown(pool, self._states)
        await anext(until_loop_shutdown)
        semaphore = anyio.Semaphore(self._max_connections, fast_acquire=True)
        return self._states.set(LoopState(running_loop(), semaphore, client, pool, until_loop_shutdown))

    async def attempt(self, attempt: Attempt, key: Secret) -> Outcome:
        """Send the request once, and read the response.

        Raises:
            ConfigurationError: the request cannot be sent. Nothing was sent.
        """
        state = self._states.get() or await self._create_loop_state()
        target = self._encoder.target(attempt.request)
        url = key.redact(target.text)
        if not await _acquire(state.semaphore, pool_timeout(attempt)):
            return pool_timeout_failure(key, url)
        token = current_key.set(key)
        try:
            while True:
                guard = self._guard(attempt, target.url)
                try:
                    with guard.scope():
                        request = self._encoder.encode(attempt, key, target, guard.extensions)
                        options = send_options(attempt)
                        response = await state.client.send(request, stream=True, follow_redirects=False, **options)
                        async with _Closing(response, state.loop):
                            body, chunks = BodyReader(attempt.deadline), await _unread(response)
                            async for chunk in chunks:
                                if not body.append(chunk):
                                    await cut(response, chunks)
                                    break
                    return to_reply(response, None if response.is_stream_consumed else body.body(), key, url)
                except TriverseError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a library or a hook raises becomes an outcome
                    check_loop(state.loop)
                    if not guard.must_repeat():
                        return classify_error(guard.explain(error), key, url, guard.proxy)
                except BaseException as interrupt:
                    key.scrub(interrupt)
                    raise
        finally:
            state.release_permit()
            reset_key(token)

    def _guard(self, attempt: Attempt, url: httpx.URL) -> AsyncGuard:
        if self._history is None:
            return AsyncPoolGuard(self._proxies, attempt, url)
        return AsyncUserClientGuard(self._history, attempt, url)

    @asynccontextmanager
    async def open(self, attempt: Attempt, key: Secret) -> AsyncGenerator[AsyncReplyStream | AttemptFailed, None]:
        """Send the request once, and read the response in parts.

        Leaving the block closes the connection, unless the body was read to its end.

        Raises:
            ConfigurationError: the request cannot be sent. Nothing was sent.
        """
        state = self._states.get() or await self._create_loop_state()
        target = self._encoder.target(attempt.request)
        url = key.redact(target.text)
        if not await _acquire(state.semaphore, pool_timeout(attempt)):
            yield pool_timeout_failure(key, url)
            return
        try:
            opened = await self._open(state.client, attempt, key, target, url)
            try:
                yield opened
            finally:
                if isinstance(opened, AsyncReplyStream) and is_running_here(state.loop):
                    await opened.aclose()
        finally:
            state.release_permit()

    async def _open(
        self, client: httpx.AsyncClient, attempt: Attempt, key: Secret, target: Target, url: str
    ) -> AsyncReplyStream | AttemptFailed:
        steps = AsyncGuardedSteps(lambda: self._guard(attempt, target.url), attempt, key, url)

        async def send(guard: AsyncGuard) -> AsyncReplyStream:
            extensions = {**guard.extensions, READ_SIZE: LARGE_READS}
            request = self._encoder.encode(attempt, key, target, extensions)
            response = await client.send(request, stream=True, follow_redirects=False, **send_options(attempt))
            return AsyncReplyStream(to_reply(response, b"", key, url), await _unread(response), steps, response)

        opened = await steps.run(send)
        if isinstance(opened, Reply):
            return AsyncReplyStream(evolve(opened, body=b""), aiter(httpx.ByteStream(opened.body)), steps)
        return opened

    async def close(self) -> None:
        """Close the running loop's connections: idle ones now, those in use as their responses end."""
        self.closed = True
        state = self._states.get()
        if state is not None:
            await state.until_loop_shutdown.aclose()


async def _acquire(semaphore: anyio.Semaphore, timeout: float | None) -> bool:
    """Take a permit; False if none came in time. Permits go to the tasks in the order in which they came."""
    try:
        semaphore.acquire_nowait()
    except anyio.WouldBlock:
        with anyio.move_on_after(timeout):
            await semaphore.acquire()
            return True
        return False
    return True


async def _close_on_loop_shutdown(
    pool: AsyncConnectionPool | None, states: PerLoop[LoopState]
) -> AsyncGenerator[None, None]:
    """Close the connections of a client that was not closed.

    When an event loop ends, it closes the asynchronous generators that were started in it. Afterwards it is too late.
    """
    try:
        yield
    finally:
        states.remove()
        if pool is not None:
            await pool.aclose()


class _Closing:
    """Closes a response after it was read."""

    __slots__ = ("_loop", "_response")

    def __init__(self, response: httpx.Response, loop: object) -> None:
        self._response = response
        self._loop = loop

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        # If the event loop is gone, nothing can be awaited: as an interpreter ends, Python 3.13.0 would even crash.
        if exc_type is None or is_running_here(self._loop):
            await self._response.aclose()


async def _unread(response: httpx.Response) -> AsyncIterator[bytes]:
    """The rest of the body; nothing if a hook has read it."""
    if response.is_stream_consumed:
        return aiter(httpx.ByteStream(await response.aread()))  # fails if the hook has not kept it
    # Not `aiter_raw()`, which only divides and counts the chunks and takes 6 µs, 2 % of a call (2026-11).
    return aiter(cast("AsyncIterable[bytes]", response.stream))
