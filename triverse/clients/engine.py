"""The engine behind `Triverse`: its state, and single calls.

`Engine` is the frozen state of a client or a view of it, and makes single calls. `calls` has what the namespaces use.
"""

from __future__ import annotations

import math
import os
import time
from typing import TypeVar, cast

import httpx
from attrs import define, evolve, frozen

from triverse.api import users_namespace as _first_call  # noqa: F401  # pyright: ignore[reportUnusedImport]  # imported before the first call needs it
from triverse.clients import system
from triverse.clients.calls import Calls, Client
from triverse.clients.config import Key, Settings
from triverse.clients.keys import key_from_callable
from triverse.clients.upload_window import UploadWindows
from triverse.core.errors import ConfigurationError
from triverse.core.exchange import exchange
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret
from triverse.core.single_flight import SingleFlight
from triverse.transport.base_url import parse_base_url
from triverse.transport.cancel import CancelToken
from triverse.transport.sync import Transport

__all__ = ["Engine", "Lifetime", "SharedCalls", "limited", "make_engine"]

T = TypeVar("T")


@define(eq=False)
class Lifetime:
    """Whether one client or view was closed."""

    closed: bool = False


class SharedCalls:
    """The shared calls of a client and all its views. A forked child starts with none."""

    def __init__(self) -> None:
        self._by_process: dict[int, SingleFlight[object]] = {}

    def here(self) -> SingleFlight[object]:
        """Return the calls of this process."""
        process = os.getpid()
        return self._by_process.get(process) or self._by_process.setdefault(process, SingleFlight())


@frozen(eq=False, kw_only=True)
class Engine:
    """The state of a client or a view of it.

    Attributes:
        key: the key, or the callable that returns it.
        policy: limits of each call.
        settings: what all views have in common.
        transport: sends the attempts.
        runtime: clocks and randomness.
        shared: calls that are shared with other callers.
        upload_windows: the uploads of the last minute.
        lifetime: whether this client was closed.
        user_client: the user's `http_client`, if there is one.
        owns_transport: whether closing this client closes the connections; views do not.
        cancel: stops the calls of worker threads.
    """

    key: Key
    policy: Policy
    settings: Settings
    transport: Transport
    runtime: Runtime
    shared: SharedCalls
    upload_windows: UploadWindows
    lifetime: Lifetime
    user_client: httpx.Client | None
    owns_transport: bool = True
    cancel: CancelToken | None = None

    def view(self, *, key: Key | None = None, policy: Policy | None = None) -> Engine:
        """Return the engine of another client over the same connections."""
        return evolve(
            self,
            key=self.key if key is None else key,
            policy=self.policy if policy is None else policy,
            lifetime=Lifetime(closed=self.lifetime.closed),
            owns_transport=False,
        )

    def for_account(self, key: Key, policy: Policy, cancel: CancelToken) -> Engine:
        """Return the engine for one account of `balances()`, which is closed with this one."""
        return evolve(self, key=key, policy=policy, cancel=cancel)

    def calls(self, client: Client) -> Calls:
        """Return what the namespaces of a client make their calls with."""
        return Calls(client)

    def close(self) -> None:
        """Close this client, and the connections if they are its own."""
        self.lifetime.closed = True
        if self.owns_transport:
            self.transport.close()

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

    def current_key(self) -> Secret:
        """Return the key for the next attempt.

        Raises:
            ConfigurationError: the callable returned no key.
        """
        return self.key if isinstance(self.key, Secret) else key_from_callable(self.key)

    def send(self, request: Request[T]) -> Response[T]:
        """Make one call.

        Raises:
            TriverseError: by the rules of the exchange.
        """
        self.check_open()
        flow = exchange(request, self.policy, self.runtime)
        try:
            attempt = next(flow)
            while True:
                try:
                    if attempt.after:
                        self.pause(attempt.after)
                    outcome = self.transport.attempt(attempt, self.current_key(), self.cancel)
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    attempt = flow.throw(error)
                else:
                    attempt = flow.send(outcome)
        except StopIteration as end:
            return cast("Response[T]", end.value)

    def pause(self, seconds: float) -> None:
        """Sleep, but not longer than until the calls are cancelled."""
        if self.cancel is None:
            time.sleep(seconds)
        else:
            self.cancel.pause(seconds)

    def within(self, seconds: float, max_retries: int | None = None) -> Engine:
        """Return an engine with a shorter deadline, and another number of retries if one is given."""
        return evolve(self, policy=limited(self.policy, seconds, max_retries))


def limited(policy: Policy, seconds: float, max_retries: int | None) -> Policy:
    """Return the policy with a deadline of at most this many seconds."""
    if seconds < (policy.deadline or math.inf):
        # Zero seconds is not a valid deadline; the call fails at once all the same.
        policy = evolve(policy, deadline=max(seconds, 0.001))
    return policy if max_retries is None else evolve(policy, max_retries=max_retries)


def make_engine(key: Key, policy: Policy, settings: Settings, user_client: httpx.Client | None) -> Engine:
    """Return the engine of a new client.

    Raises:
        ConfigurationError: the base URL or the `http_client` is wrong.
    """
    url = parse_base_url(settings.base_url, settings.base_url_name, allow_http=settings.allow_http)
    transport = Transport(url, settings.max_connections, user_client)
    return Engine(
        key=key,
        policy=policy,
        settings=settings,
        transport=transport,
        runtime=system.SYSTEM,
        shared=SharedCalls(),
        upload_windows=UploadWindows(),
        lifetime=Lifetime(),
        user_client=user_client,
    )
