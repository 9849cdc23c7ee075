"""The wire for threads."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from typing import Protocol, cast

import httpcore
import httpx

from triverse.core.attempt import Attempt, Outcome
from triverse.core.secret import Secret
from triverse.transport.base_url import parse_base_url
from triverse.transport.cancel import Cut, CuttableLines
from triverse.transport.messages import (
    Addressed,
    Body,
    borrowed_limits,
    check_own_client,
    classify_error,
    no_connection,
    to_reply,
    turn_limit,
)
from triverse.transport.one_connection import OneConnection
from triverse.transport.pool import FreeList, TransportSettings, said_too_much
from triverse.transport.semaphore import Gate, Turn
from triverse.transport.sync_backend import DeadlineBackend

__all__ = ["Wire"]


class Line(Protocol):
    """What carries one request at a time."""

    @property
    def put(self) -> Callable[[httpx.Request], httpx.Response]:
        """Sends a request and reads the head of the response."""
        ...

    def keep(self) -> None:
        """It did well, and may be used again."""
        ...

    def drop(self) -> None:
        """It failed."""
        ...

    def abort(self) -> None:
        """Make whoever uses it fail at once, if that is in our power. For other threads."""
        ...


class Lines(Protocol):
    """Where lines come from."""

    def request(self, attempt: Attempt, key: Secret, /) -> httpx.Request:
        """The request, as these lines carry it."""
        ...

    def take(self, attempt: Attempt) -> Line:
        """A line for one attempt."""
        ...

    def close_idle(self) -> None:
        """Close what is not in use."""
        ...


class Wire:
    """Puts attempts on the wire, at most so many at once.

    It outlives `fork()`: the child begins with a gate and connections of its own, since sockets that two processes
    share would mix up their answers, and a lock may have been held by a thread that the child does not have.
    """

    def __init__(self, base_url: str, max_connections: int, http_client: httpx.Client | None) -> None:
        url = parse_base_url(base_url)
        self.base_url: str = str(url)
        self._max_connections = max_connections
        self._lines: Lines = OwnLines(url) if http_client is None else BorrowedLines(url, http_client)
        self._closing = threading.Event()
        self.pause: Callable[[float], object] = time.sleep
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._gate = Gate(self._max_connections)

    def attempt(self, attempt: Attempt, key: Secret) -> Outcome:
        """Send the request once, and read the answer.

        Raises:
            ConfigurationError: the request cannot be sent as it is. Nothing was sent.
        """
        if self._process != os.getpid():
            self._lines.close_idle()
            self._begin()
        request = self._lines.request(attempt, key)
        gate, turn = self._gate, Turn()
        try:
            if not gate.enter(turn) and not gate.wait(turn, turn_limit(attempt)):
                return no_connection(key)
            line = self._lines.take(attempt)
            try:
                response = line.put(request)
                try:
                    body = Body(attempt.deadline)
                    all(map(body.wants_more, _unread(response)))
                finally:
                    response.close()
            except Exception as error:  # noqa: BLE001 - whatever a library throws, the caller gets one of our errors
                line.drop()
                return classify_error(error, key)
            except BaseException as interrupt:
                line.drop()
                key.scrub(interrupt)
                raise
            line.keep()
            if self.closed:
                self._lines.close_idle()
            return to_reply(response, None if response.is_stream_consumed else body.bytes(), key)
        finally:
            try:
                gate.leave(turn)
            except BaseException:  # Ctrl-C, at the last moment
                gate.leave(turn)
                raise

    def cut_by(self, cut: Cut) -> Wire:
        """The same wire, until the cut."""
        wire = copy(self)
        wire._lines = CuttableLines(self._lines, cut)  # noqa: SLF001 - a copy of our own class
        wire.pause = cut.pause
        return wire

    @property
    def closed(self) -> bool:
        """Whether it carries nothing more."""
        return self._closing.is_set()

    def close(self) -> None:
        """Close the connections: idle ones now, those in use as their requests end."""
        self._closing.set()
        self._lines.close_idle()


def _unread(response: httpx.Response) -> Iterable[bytes]:
    """What is still to come of the body; nothing where a hook has read it already."""
    if response.is_stream_consumed:
        response.read()  # fails where it was read away
        return ()
    # Past `iter_raw()`, which only cuts and counts: 8 µs, 3 % of a call.
    return cast("Iterable[bytes]", response.stream)


class Connection:
    """One connection of our own: an httpx transport that keeps the deadline."""

    __slots__ = ("_backend", "_idle", "_transport")

    def __init__(self, idle: FreeList[Connection], transport: httpx.HTTPTransport) -> None:
        self._idle = idle
        self._transport = transport
        self._backend = DeadlineBackend()
        # httpx lets its transports choose everything but this; a test notices should the name change.
        pool = transport._pool  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
        pool._network_backend = self._backend  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
        if type(pool) is httpcore.ConnectionPool:  # one that speaks to a proxy is mocked and watched as a whole
            transport._pool = OneConnection(pool)  # type: ignore[assignment]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]  # as above

    def begin(self, deadline: float | None) -> Connection:
        """Hold the next request to this deadline."""
        self._backend.deadline = deadline
        return self

    @property
    def put(self) -> Callable[[httpx.Request], httpx.Response]:
        """Sends a request and reads the head of the response."""
        return self._transport.handle_request

    def keep(self) -> None:
        """Lie idle until the next request."""
        if said_too_much(self._transport._pool):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
            self.drop()
            return
        stale = self._idle.put(self)
        if stale is not None:
            stale.drop()

    def drop(self) -> None:
        """Close the socket."""
        self._transport.close()

    def abort(self) -> None:
        """Make whoever uses it fail at once."""
        self._backend.abort()


class OwnLines:
    """Connections of our own to the base URL's origin."""

    def __init__(self, base_url: httpx.URL) -> None:
        self.request: Callable[[Attempt, Secret], httpx.Request] = Addressed(base_url).request
        self._settings = TransportSettings(base_url)
        self._idle: FreeList[Connection] = FreeList()
        # Sockets of a client that nobody closed go without a word, at the latest when the interpreter exits.
        weakref.finalize(self, _drop_all, self._idle)

    def take(self, attempt: Attempt) -> Connection:
        """The freshest idle connection, or a new one."""
        line = self._idle.take() or Connection(self._idle, self._settings.make(httpx.HTTPTransport))
        return line.begin(attempt.deadline)

    def close_idle(self) -> None:
        """Close what is not in use."""
        _drop_all(self._idle)


def _drop_all(idle: FreeList[Connection]) -> None:
    for line in idle.drain():
        line.drop()


class BorrowedLines:
    """The user's own client: its hooks, proxies, auth and mounts see every request, and it stays theirs to close."""

    def __init__(self, base_url: httpx.URL, http_client: httpx.Client) -> None:
        check_own_client(http_client, "Client", "close")
        self._addressed = Addressed(base_url)
        self._client = http_client
        self.put: Callable[[httpx.Request], httpx.Response] = partial(
            http_client.send, stream=True, follow_redirects=False
        )

    def request(self, attempt: Attempt, key: Secret) -> httpx.Request:
        """The request, with what the user's client adds to each."""
        ready = self._addressed.request(attempt, key)
        return self._client.build_request(
            ready.method,
            str(ready.url),
            headers=ready.headers.raw,
            content=ready.read() or None,
            extensions={"timeout": borrowed_limits(attempt, self._client.timeout)},
        )

    def take(self, attempt: Attempt) -> BorrowedLines:  # noqa: ARG002 - the one client carries every attempt
        """The one line there is."""
        return self

    def keep(self) -> None:
        """Nothing to keep: the user's client does."""

    def drop(self) -> None:
        """Nothing to close: the user's client does."""

    def close_idle(self) -> None:
        """Nothing of ours to close."""

    def abort(self) -> None:
        """Not in our power: the sockets are the user's client's."""
