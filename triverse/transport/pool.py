"""Connections to one origin, kept for reuse: last in, first out.

Each one is an httpx transport of its own that holds a single connection. One pool of many would be rescanned by
httpcore at the start and end of every request, which costs more than the request itself once it holds some dozens.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import httpx

from triverse.core.errors import ConfigurationError
from triverse.transport.proxies import proxy_for
from triverse.transport.tls import tls_context

__all__ = ["KEEPALIVE_SECONDS", "FreeList", "TransportSettings", "said_too_much"]

C = TypeVar("C")

KEEPALIVE_SECONDS: Final = 30.0
ONE_CONNECTION: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)


class FreeList(Generic[C]):
    """Idle connections; the freshest is used first, the stalest is dropped when its time is over."""

    def __init__(self) -> None:
        self._idle: deque[tuple[C, float]] = deque()

    def take(self) -> C | None:
        """The connection that was used last; None if none is idle."""
        try:
            return self._idle.pop()[0]
        except IndexError:
            return None

    def put(self, connection: C) -> C | None:
        """Keep a connection; gives back one that has been idle for too long, for closing."""
        now = time.monotonic()
        self._idle.append((connection, now))
        try:
            stalest, since = self._idle.popleft()
        except IndexError:  # another thread took it
            return None
        if now - since > KEEPALIVE_SECONDS:
            return stalest
        self._idle.appendleft((stalest, since))
        return None

    def drain(self) -> list[C]:
        """Take out all of them."""
        drained: list[C] = []
        while (connection := self.take()) is not None:
            drained.append(connection)
        return drained


def said_too_much(pool: object) -> bool:
    """Whether bytes have come past the end of the last answer: they would pass for the answer to the next request.

    httpcore reuses such a connection, and tells of those bytes nowhere in public.
    """
    for connection in getattr(pool, "connections", ()):
        while (inner := getattr(connection, "_connection", None)) is not None:
            connection = inner  # noqa: PLW2901 - the way down, through what speaks to proxies
        parser = getattr(connection, "_h11_state", None)
        if parser is not None and parser.trailing_data[0]:
            return True
    return False


class TransportSettings:
    """How to reach one origin: proxy and certificates from the environment, as httpx reads them."""

    def __init__(self, base_url: httpx.URL) -> None:
        port = base_url.port or (443 if base_url.scheme == "https" else 80)
        self._scheme = base_url.scheme
        self._proxy = proxy_for(base_url.scheme, base_url.host, port)

    def make(self, transport: Callable[..., C]) -> C:
        """A transport for one connection.

        Raises:
            ConfigurationError: the proxy's URL or the certificate settings are of no use.
        """
        context = tls_context(self._scheme)
        try:
            return transport(verify=context, limits=ONE_CONNECTION, proxy=self._proxy, trust_env=False)
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            message = f"the proxy that the environment names cannot be used: {error}"
            raise ConfigurationError(message) from None
