"""What a user's `httpx.AsyncClient` lacks: a deadline for the whole call, and use in one event loop after another.

Its pool keeps connections of event loops that have ended. httpcore would reuse one, and the request would fail with
"Event loop is closed" after it was sent. So in a new event loop, connections that were not made there are refused
before anything is sent, by an error in httpcore's `trace` extension. httpcore then closes the connection, and the
request is made again, until the pool makes a new connection. It does so only when no idle connection is left.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import anyio
import httpx

from triverse.core.attempt import Attempt
from triverse.core.errors import ConfigurationError
from triverse.transport.environment import Origin, origin_of
from triverse.transport.event_loops import running_loop
from triverse.transport.name_lookup import map_lookup_errors
from triverse.transport.requests import seconds_left
from triverse.transport.user_client import ProxyRecord

__all__ = ["AsyncUserClientGuard", "LoopHistory"]

_OTHER_LOOP = (
    "http_client is an httpx.AsyncClient that another event loop is using, and an AsyncClient works in one event loop "
    "at a time. Give each event loop a client with an http_client of its own, or leave http_client out"
)


class _RefusedError(Exception):
    """This connection belongs to another event loop."""


class LoopHistory:
    """In which event loops the user's client was used.

    Attributes:
        proxies: what is known of the proxies of the same client.
    """

    def __init__(self, http_client: httpx.AsyncClient) -> None:
        self.proxies: Final = ProxyRecord(trusts_env=http_client.trust_env)
        self._current: weakref.ref[object] | None = None
        self._previous: weakref.ref[object] | None = None
        self._refreshed: set[Origin] = set()

    def enter(self) -> None:
        """The running event loop uses the client."""
        loop = running_loop()
        if self._current is not None and self._current() is loop:
            return
        self._previous, self._current = self._current, weakref.ref(loop)
        self._refreshed.clear()

    @property
    def changed(self) -> bool:
        """Whether another event loop has used the client before."""
        return self._previous is not None

    @property
    def other_is_running(self) -> bool:
        """Whether that event loop is still running, in another thread."""
        other = None if self._previous is None else self._previous()
        return isinstance(other, asyncio.AbstractEventLoop) and other.is_running()

    def is_stale(self, origin: Origin) -> bool:
        """Whether idle connections to this origin may belong to another event loop."""
        return self.changed and origin not in self._refreshed

    def refreshed(self, origin: Origin) -> None:
        """The pool has made a new connection, so no idle connection to this origin is left."""
        self._refreshed.add(origin)


class AsyncUserClientGuard:
    """Holds one attempt, made with a user's client, to its deadline and to the running event loop.

    Attributes:
        extensions: for the request.
    """

    def __init__(self, history: LoopHistory, attempt: Attempt, url: httpx.URL) -> None:
        history.enter()
        self._history = history
        self._attempt = attempt
        self._origin = origin_of(url)
        self._connected = False
        self._refused = False
        self.extensions: dict[str, object] = {"trace": self._trace}

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy, if a connection to one was made."""
        return self._history.proxies.get(self._origin)

    def scope(self) -> AbstractContextManager[object]:
        """A scope that ends at the deadline."""
        return anyio.fail_after(seconds_left(self._attempt.deadline))

    async def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Httpcore's `trace` extension. Other transports never call it."""
        if event.endswith(".connect_tcp.started"):
            self._history.proxies.note(self._origin, info, self._attempt)
        elif event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete")):
            self._connected = True
            self._history.refreshed(self._origin)
        elif event.endswith(".connect_tcp.failed") and isinstance(info["exception"], RuntimeError):
            with map_lookup_errors():
                raise info["exception"]
        elif event.endswith(".send_request_headers.started") and not self._connected:
            self._refused = self._history.is_stale(self._origin)
            if self._refused:
                raise _RefusedError

    def must_repeat(self) -> bool:
        """After an error: whether the request is to be made again, because a connection of another loop was refused.

        Raises:
            ConfigurationError: that loop is still running.
        """
        if self._refused and self._history.other_is_running:
            raise ConfigurationError(_OTHER_LOOP)
        return self._refused

    def explain(self, error: Exception) -> Exception:
        """The error, or what it means if a transport without connections of httpcore's cannot change loops."""
        if not self._history.changed or not isinstance(error, RuntimeError):
            return error
        message = f"{error}: http_client was used in another event loop before, and does not work in this one"
        return RuntimeError(message)
