"""Calls in the ways that the namespaces of `Triverse` need: single, shared between callers, and driven by flows.

Calls go through the client's own `send()`, so that a subclass which overrides it sees every call.
"""

# This module and the clients are one unit: it reads the client's engine, which is private to its users.
# pyright: reportPrivateUsage=false
from __future__ import annotations

import math
from collections.abc import Generator, Hashable, Sequence
from contextlib import closing
from copy import copy
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from attrs import evolve

from triverse.api.transfers import OnProgress
from triverse.clients.lazy_modules import downloads, transfers
from triverse.clients.upload_window import UploadWindows
from triverse.core.api_errors import AuthenticationError
from triverse.core.callbacks import call_sync
from triverse.core.errors import DeadlineExceededError, TriverseError
from triverse.core.flow import Call, CallbackStoppedError, Effect, Emit, Flow, Notify, passable
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret
from triverse.core.single_flight import CachedResult, PendingCall, SingleFlight

if TYPE_CHECKING:
    from triverse.clients.engine import Engine
    from triverse.transport.sync import Transport

__all__ = ["Calls", "Client", "call_limits", "identity", "shared_request_timeout"]

T = TypeVar("T")
V = TypeVar("V")


def call_limits(policy: Policy) -> Hashable:
    """Return the limits by which callers are equally patient, apart from the deadline."""
    return policy.timeout, policy.max_retries


def identity(request: Request[object]) -> Hashable:
    """Return what two requests have in common if one result can serve both. Their parameters may not be hashable."""
    fixed = request.method, request.path, request.url, request.into, request.decode, request.headers
    return *fixed, repr(request.params), repr(request.json)


class Client(Protocol):
    """What `Calls` requires of `Triverse`."""

    @property
    def _engine(self) -> Engine:
        """The state of the client."""
        ...

    def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        ...

    def _with_engine(self, engine: Engine) -> Client:
        """Return a copy with another engine."""
        ...


class Calls:
    """Calls in the ways that the namespaces need."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        return self._client._engine.runtime

    def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        return self._client.send(request)

    # --- Shared calls ----------------------------------------------------------------------------

    def shared(self, request: Request[T], max_age: float) -> T:
        """Return a recent result, or the one that another caller is waiting for. After a 401 the key is renewed once.

        Raises:
            DeadlineExceededError: no result came before this call's own deadline.
        """
        engine = self._client._engine
        engine.check_open()
        until = self.runtime.monotonic() + (engine.policy.deadline or math.inf)
        key = engine.current_key()
        try:
            return self._shared_by(key, request, max_age, until)
        except AuthenticationError:
            renewed = engine.current_key()
            if renewed == key:
                raise
        return self._shared_by(renewed, request, max_age, until)

    def _shared_by(self, key: Secret, request: Request[T], max_age: float, until: float) -> T:
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
                    return self._lead(mine, key, request, until)
            finally:
                try:
                    flights.finish(what, mine)
                except BaseException:  # KeyboardInterrupt, at the last moment
                    flights.finish(what, mine)
                    raise
            _wait_for(pending, until - self.runtime.monotonic())
            outcome = pending.outcome_for(limits)
            if isinstance(outcome, TriverseError):
                # A copy, because all waiters raise it at the same time, each with a traceback of its own.
                raise copy(outcome) from outcome
            if outcome is not None:
                return outcome.value

    def _lead(self, mine: PendingCall[T], key: Secret, request: Request[T], until: float) -> T:
        engine = self._client._engine.within(until - self.runtime.monotonic())
        leader = evolve(engine, key=key, policy=evolve(engine.policy, refreshes_key=False))
        try:
            value = self._client._with_engine(leader).send(request).data
        except DeadlineExceededError:
            raise  # the deadlines of the waiters may be later
        except TriverseError as error:
            mine.outcome = error
            raise
        mine.outcome = CachedResult(value, self.runtime.monotonic())
        return value

    # --- Flows -----------------------------------------------------------------------------------

    def run(self, flow: Flow[V, T]) -> T:
        """Run a flow to its end."""
        try:
            return self._run(flow)
        except CallbackStoppedError as error:
            stop = error.stop
        raise stop

    def _run(self, flow: Flow[V, T]) -> T:
        with closing(flow):
            try:
                effect = next(flow)
                while True:
                    effect = self._step(flow, effect)
            except StopIteration as end:
                return cast("T", end.value)

    def iterate(self, flow: Flow[V, object]) -> Generator[V, None, None]:
        """Run a flow, and yield what it emits."""
        with closing(flow):
            try:
                effect = next(flow)
                while True:
                    if isinstance(effect, Emit):
                        yield effect.value
                        effect = flow.send(None)
                    else:
                        effect = self._step(flow, effect)
            except StopIteration:
                return

    def _step(self, flow: Flow[V, T], effect: Effect[V]) -> Effect[V]:
        """Carry out an effect, and return the next one."""
        try:
            outcome = self._perform(effect)
        except BaseException as error:  # noqa: BLE001 - the flow raises it again
            return flow.throw(passable(error))
        return flow.send(outcome)

    def _perform(self, effect: Effect[V]) -> Response[object] | TriverseError | None:
        if isinstance(effect, Call):
            engine = self._client._engine
            self.pause(effect.after)
            try:
                return self._client._with_engine(engine.within(effect.within, effect.max_retries)).send(effect.request)
            except TriverseError as error:
                return error
        notify = cast("Notify", effect)  # a flow that is run emits nothing
        call_sync(notify.name, notify.callback, notify.value)
        return None

    # --- Transfers -------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        """Timeouts and retries."""
        return self._client._engine.policy

    @property
    def transport(self) -> Transport:
        """What sends attempts."""
        return self._client._engine.transport

    @property
    def upload_windows(self) -> UploadWindows:
        """The uploads of the last minute."""
        return self._client._engine.upload_windows

    def current_key(self) -> Secret:
        """Return the key for the next attempt.

        Raises:
            ConfigurationError: the client is closed, or its callable returned no key.
        """
        engine = self._client._engine
        engine.check_open()
        return engine.current_key()

    def pause(self, seconds: float) -> None:
        """Sleep."""
        if seconds > 0:
            self._client._engine.pause(seconds)

    def send_file(self, request: Request[T]) -> Response[T]:
        """Upload a file, which is opened and checked first."""
        return (transfers.send_files(self, [request]))[0]

    def upload_all(
        self, requests: Sequence[Request[T]], timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> list[T]:
        """Open and check all files, then upload one after the other."""
        return [response.data for response in transfers.send_files(self, requests, timeout, on_progress)]

    def download(self, download: downloads.Download) -> Path:
        """Download to a file."""
        return transfers.download_file(self, download)

    def stream(self, stream: downloads.Stream) -> downloads.DownloadStream:
        """Return what reads a file in chunks."""
        return transfers.open_stream(self, stream)


def _wait_for(pending: PendingCall[T], seconds: float) -> None:
    """Wait until another caller's request ends.

    Raises:
        DeadlineExceededError: it did not end in time.
    """
    # A queue, because it cannot be left locked by a KeyboardInterrupt, as a Condition or an Event can.
    ended = SimpleQueue[None]()
    if pending.add_waiter(lambda: ended.put(None)):
        try:
            ended.get(timeout=None if seconds == math.inf else max(0.0, seconds))
        except Empty:
            raise shared_request_timeout() from None


def shared_request_timeout() -> DeadlineExceededError:
    """Return the error of a waiter whose own deadline ran out."""
    message = "this call's deadline ran out while it waited for another caller's request: allow it more time"
    return DeadlineExceededError(message)
