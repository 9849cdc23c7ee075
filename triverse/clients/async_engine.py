"""The engine behind `AsyncTriverse`, for the tasks of asyncio and trio. Its parts are those of `engine`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import anyio
import httpx
from attrs import evolve, frozen

from triverse.api import users_namespace as _first_call  # noqa: F401  # pyright: ignore[reportUnusedImport]  # imported before the first call needs it
from triverse.clients import system
from triverse.clients.async_calls import AsyncCalls, AsyncClient
from triverse.clients.async_fan_out import AsyncFetchBalance, BalanceWorkers
from triverse.clients.config import Key, Settings
from triverse.clients.engine import Lifetime, limited
from triverse.clients.keys import key_from_async_callable
from triverse.clients.upload_window import UploadWindows
from triverse.core.errors import ConfigurationError, TriverseError
from triverse.core.exchange import exchange
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime
from triverse.core.secret import AsyncKeySource, Secret
from triverse.core.single_flight import SingleFlight
from triverse.transport.asynchronous import AsyncTransport
from triverse.transport.base_url import parse_base_url
from triverse.transport.event_loops import PerLoop

__all__ = ["AsyncEngine", "SharedAsyncCalls", "make_engine"]

T = TypeVar("T")


class SharedAsyncCalls:
    """The shared calls of a client and all its views, in each event loop on their own."""

    def __init__(self) -> None:
        self._by_loop: PerLoop[SingleFlight[object]] = PerLoop()

    def here(self) -> SingleFlight[object]:
        """Return the calls of the running event loop."""
        return self._by_loop.get() or self._by_loop.set(SingleFlight())


@frozen(eq=False, kw_only=True)
class AsyncEngine:
    """The state of a client or a view of it.

    Attributes:
        key: the key, or the callable that returns it, at once or when awaited.
        policy: limits of each call.
        settings: what all views have in common.
        transport: sends the attempts.
        runtime: clocks and randomness.
        shared: calls that are shared with other callers.
        upload_windows: the uploads of the last minute.
        lifetime: whether this client was closed.
        user_client: the user's `http_client`, if there is one.
        owns_transport: whether closing this client closes the connections; views do not.
        convert_error: replaces the errors of calls.
    """

    key: Key
    policy: Policy
    settings: Settings
    transport: AsyncTransport
    runtime: Runtime
    shared: SharedAsyncCalls
    upload_windows: UploadWindows
    lifetime: Lifetime
    user_client: httpx.AsyncClient | None
    owns_transport: bool = True
    convert_error: Callable[[TriverseError], TriverseError] | None = None

    def view(self, *, key: Key | None = None, policy: Policy | None = None) -> AsyncEngine:
        """Return the engine of another client over the same connections."""
        return evolve(
            self,
            key=self.key if key is None else key,
            policy=self.policy if policy is None else policy,
            lifetime=Lifetime(closed=self.lifetime.closed),
            owns_transport=False,
        )

    def for_account(self, key: Key, policy: Policy) -> AsyncEngine:
        """Return the engine for one account of `balances()`, which is closed with this one."""
        return evolve(self, key=key, policy=policy)

    def calls(self, client: AsyncClient) -> AsyncCalls:
        """Return what the namespaces of a client make their calls with."""
        return AsyncCalls(client)

    def balance_workers(self, fetch: AsyncFetchBalance, keys: Mapping[str, AsyncKeySource]) -> BalanceWorkers:
        """Return tasks that fetch the balances of many accounts."""
        return BalanceWorkers(fetch, keys, self.settings.max_connections)

    async def close(self) -> None:
        """Close this client, and the connections if they are its own."""
        self.lifetime.closed = True
        if self.owns_transport:
            await self.transport.close()

    @property
    def closed(self) -> bool:
        """Whether this client, or the one whose connections it uses, was closed."""
        return self.lifetime.closed or self.transport.closed

    def check_open(self) -> None:
        """Refuse a call after closing.

        Raises:
            ConfigurationError: the client is closed.
        """
        if self.closed:
            message = "the client is closed: make a new one"
            raise ConfigurationError(message)

    async def current_key(self, deadline: float | None) -> Secret:
        """Return the key for the next attempt.

        Raises:
            ConfigurationError: the callable returned no key.
            DeadlineExceededError: the callable took too long.
        """
        return self.key if isinstance(self.key, Secret) else await key_from_async_callable(self.key, deadline)

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call.

        Raises:
            TriverseError: by the rules of the exchange.
        """
        self.check_open()
        try:
            return await self._exchange(request)
        except TriverseError as error:
            converted = self.converted(error)
            if converted is error:
                raise
            raise converted from error

    def converted(self, error: TriverseError) -> TriverseError:
        """Return what is raised in place of the error of a call."""
        return error if self.convert_error is None else self.convert_error(error)

    async def _exchange(self, request: Request[T]) -> Response[T]:
        flow = exchange(request, self.policy, self.runtime)
        try:
            attempt = next(flow)
            while True:
                try:
                    if attempt.after:
                        await anyio.sleep(attempt.after)
                    outcome = await self.transport.attempt(attempt, await self.current_key(attempt.deadline))
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    attempt = flow.throw(error)
                else:
                    attempt = flow.send(outcome)
        except StopIteration as end:
            return cast("Response[T]", end.value)

    def within(self, seconds: float, max_retries: int | None = None) -> AsyncEngine:
        """Return an engine with a shorter deadline, and another number of retries if one is given."""
        return evolve(self, policy=limited(self.policy, seconds, max_retries))


def make_engine(key: Key, policy: Policy, settings: Settings, user_client: httpx.AsyncClient | None) -> AsyncEngine:
    """Return the engine of a new client.

    Raises:
        ConfigurationError: the base URL or the `http_client` is wrong.
    """
    url = parse_base_url(settings.base_url, settings.base_url_name, allow_http=settings.allow_http)
    transport = AsyncTransport(url, settings.max_connections, user_client)
    return AsyncEngine(
        key=key,
        policy=policy,
        settings=settings,
        transport=transport,
        runtime=system.SYSTEM,
        shared=SharedAsyncCalls(),
        upload_windows=UploadWindows(),
        lifetime=Lifetime(),
        user_client=user_client,
    )
