"""Calls in the ways that the namespaces of `AsyncTriverse` need: single, shared between callers, and driven by flows.

Calls go through the client's own `send()`, so that a subclass which overrides it sees every call.
"""

# This module and the clients are one unit: it reads the client's engine, which is private to its users.
# pyright: reportPrivateUsage=false
from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, cast

import anyio
from attrs import evolve

from triverse.api.transfers import AsyncOnProgress
from triverse.clients.calls import call_limits, identity, shared_request_timeout
from triverse.clients.lazy_modules import async_transfers, downloads
from triverse.clients.upload_window import UploadWindows
from triverse.core.api_errors import AuthenticationError
from triverse.core.callbacks import call_async
from triverse.core.errors import DeadlineExceededError, TriverseError
from triverse.core.flow import Call, Effect, Emit, Flow, Notify
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret
from triverse.core.single_flight import CachedResult, PendingCall, SingleFlight

if TYPE_CHECKING:
    from triverse.clients.async_engine import AsyncEngine
    from triverse.transport.asynchronous import AsyncTransport

__all__ = ["AsyncCalls", "AsyncClient", "Emissions"]

T = TypeVar("T")
V = TypeVar("V")


class AsyncClient(Protocol):
    """What `AsyncCalls` requires of `AsyncTriverse`."""

    @property
    def _engine(self) -> AsyncEngine:
        """The state of the client."""
        ...

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...

    def _with_engine(self, engine: AsyncEngine) -> AsyncClient:
        """Return a copy with another engine."""
        ...


class AsyncCalls:
    """Calls in the ways that the namespaces need."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        return self._client._engine.runtime

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        return await self._client.send(request)

    # --- Shared calls ----------------------------------------------------------------------------

    async def shared(self, request: Request[T], max_age: float) -> T:
        """Return a recent result, or the one that another caller is waiting for. After a 401 the key is renewed once.

        Raises:
            DeadlineExceededError: no result came before this call's own deadline.
        """
        engine = self._client._engine
        engine.check_open()
        until = self.runtime.monotonic() + (engine.policy.deadline or math.inf)
        key = await engine.current_key(until)
        try:
            return await self._shared_by(key, request, max_age, until)
        except AuthenticationError:
            renewed = await engine.current_key(until)
            if renewed == key:
                raise
        return await self._shared_by(renewed, request, max_age, until)

    async def _shared_by(self, key: Secret, request: Request[T], max_age: float, until: float) -> T:
        engine = self._client._engine
        flights = cast("SingleFlight[T]", engine.shared.here())
        limits, what = call_limits(engine.policy), (key, identity(request))
        while True:
            recent = flights.get_fresh(what, max_age, self.runtime.monotonic())
            if recent is not None:
                return recent.value
            mine: PendingCall[T] = PendingCall(limits)
            try:
                pending = flights.join(what, mine)
                if pending is mine:
                    return await self._lead(mine, key, request, until)
            finally:
                flights.finish(what, mine)
            await _wait_for(pending, until - self.runtime.monotonic())
            outcome = pending.outcome_for(limits)
            if isinstance(outcome, TriverseError):
                # A copy, because all waiters raise it at the same time, each with a traceback of its own.
                raise copy(outcome) from outcome
            if outcome is not None:
                return outcome.value

    async def _lead(self, mine: PendingCall[T], key: Secret, request: Request[T], until: float) -> T:
        engine = self._client._engine.within(until - self.runtime.monotonic())
        leader = evolve(engine, key=key, policy=evolve(engine.policy, refreshes_key=False))
        try:
            value = (await self._client._with_engine(leader).send(request)).data
        except DeadlineExceededError:
            raise  # the deadlines of the waiters may be later
        except TriverseError as error:
            mine.outcome = error
            raise
        mine.outcome = CachedResult(value, self.runtime.monotonic())
        return value

    # --- Flows -----------------------------------------------------------------------------------

    async def run(self, flow: Flow[V, T]) -> T:
        """Run a flow to its end."""
        emissions = self.iterate(flow)
        await emissions.advance()  # to the end, because a flow that is run emits nothing
        return cast("T", emissions.result)

    def iterate(self, flow: Flow[V, object]) -> Emissions[V]:
        """Run a flow, and yield what it emits."""
        return Emissions(self, flow)

    async def perform(self, effect: Call) -> Response[object] | TriverseError:
        """Sleep and make a call."""
        await anyio.sleep(max(0.0, effect.after))
        engine = self._client._engine.within(effect.within, effect.max_retries)
        try:
            return await self._client._with_engine(engine).send(effect.request)
        except TriverseError as error:
            return error

    # --- Transfers -------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        """Timeouts and retries."""
        return self._client._engine.policy

    @property
    def transport(self) -> AsyncTransport:
        """What sends attempts."""
        return self._client._engine.transport

    @property
    def upload_windows(self) -> UploadWindows:
        """The uploads of the last minute."""
        return self._client._engine.upload_windows

    async def current_key(self) -> Secret:
        """Return the key for the next attempt.

        Raises:
            ConfigurationError: the client is closed, or its callable returned no key.
        """
        engine = self._client._engine
        engine.check_open()
        return await engine.current_key(None)

    def converted(self, error: TriverseError) -> TriverseError:
        """Return what is raised in place of an error."""
        return self._client._engine.converted(error)

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        if seconds > 0:
            await anyio.sleep(seconds)

    async def send_file(self, request: Request[T]) -> Response[T]:
        """Upload a file, which is opened and checked first."""
        return (await async_transfers.send_files(self, [request]))[0]

    async def upload_all(
        self, requests: Sequence[Request[T]], timeout: float | None = None, on_progress: AsyncOnProgress | None = None
    ) -> list[T]:
        """Open and check all files, then upload one after the other."""
        return [response.data for response in await async_transfers.send_files(self, requests, timeout, on_progress)]

    async def download(self, download: downloads.Download) -> Path:
        """Download to a file."""
        return await async_transfers.download_file(self, download)

    def stream(self, stream: downloads.Stream) -> downloads.AsyncDownloadStream:
        """Return what reads a file in chunks."""
        return async_transfers.open_stream(self, stream)


class Emissions(AsyncIterator[V], Generic[V]):
    """What a flow emits.

    Not an async generator: trio warns about one that is left before its end, as by `break`. Here nothing is running
    between two values.

    Attributes:
        result: what the flow returned at its end.
    """

    def __init__(self, calls: AsyncCalls, flow: Flow[V, object]) -> None:
        self._calls = calls
        self._flow = flow
        self._effect: Effect[V] | None = None
        self.result: object = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> V:
        try:
            emitted = await self.advance()
        except StopAsyncIteration as error:
            # A callback's own. It must not look like the end of the values.
            message = "a callback raised StopAsyncIteration"
            raise RuntimeError(message) from error
        if emitted is None:
            raise StopAsyncIteration
        return emitted.value

    async def advance(self) -> Emit[V] | None:
        """Run the flow up to the next value that it emits; None at its end."""
        try:
            effect = next(self._flow) if self._effect is None else self._flow.send(None)
            while not isinstance(effect, Emit):
                try:
                    outcome = await self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    effect = self._flow.throw(error)
                else:
                    effect = self._flow.send(outcome)
        except StopIteration as end:
            self.result = end.value
            return None
        except BaseException:
            self._flow.close()
            raise
        self._effect = effect
        return effect

    async def _perform(self, effect: Call | Notify) -> Response[object] | TriverseError | None:
        if isinstance(effect, Call):
            return await self._calls.perform(effect)
        pending = call_async(effect.callback, effect.value)
        if pending is not None:
            await pending
        return None

    async def aclose(self) -> None:
        """End the iteration."""
        self._flow.close()


async def _wait_for(pending: PendingCall[T], seconds: float) -> None:
    """Wait until another caller's request ends.

    Raises:
        DeadlineExceededError: it did not end in time.
    """
    ended = anyio.Event()
    pending.add_waiter(ended.set)  # in one event loop, the request cannot end between join() and this line
    with anyio.move_on_after(seconds) as waiting:
        await ended.wait()
    if waiting.cancelled_caught:
        raise shared_request_timeout()
