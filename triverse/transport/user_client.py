"""What a user's `httpx.Client` lacks: a deadline for the whole call.

httpx's read timeout starts again at every byte, and a name lookup has no timeout. So a thread shuts down the socket on
which a call still waits when its deadline has passed. Names are looked up in a thread that can be given up, before
httpx looks them up itself.
"""

from __future__ import annotations

import math
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Final

import httpcore
import httpx

from triverse.core.attempt import Attempt
from triverse.transport.cancel import CancelToken
from triverse.transport.clock import monotonic
from triverse.transport.environment import Origin, host_and_port, origin_of, plain_http_proxies
from triverse.transport.locks import run_locked
from triverse.transport.name_lookup import NameLookup
from triverse.transport.outcomes import PlainHttpProxyError
from triverse.transport.requests import min_timeout, seconds_left
from triverse.transport.threads import start_thread

__all__ = ["DeadlineWatch", "ProxyRecord", "UserClientGuard"]

# Seconds after which the socket of a call that has not ended is shut down again: it may have opened another one.
_REPEAT: Final = 0.05
_LIBRARIES: Final = frozenset({"httpcore", "httpcore2", "ssl"})
# The functions that call httpx. Outside of them, the sockets of a thread are not ours to shut down.
_CALLERS: Final = frozenset({"triverse.transport.sync", "triverse.transport.reply_stream"})
# Seconds without a call after which the thread ends.
_IDLE_SECONDS: Final = 10.0


class DeadlineWatch:
    """Ends calls whose deadline has passed, by one thread for all of them.

    The main thread may be interrupted by Ctrl-C anywhere in `add()` and `remove()`. So they use nothing but an RLock
    and a queue, which are written in C: a Condition can be left locked by a KeyboardInterrupt.

    Attributes:
        proxies: what is known of the proxies of the same client.
    """

    def __init__(self, http_client: httpx.Client) -> None:
        self.proxies: Final = ProxyRecord(trusts_env=http_client.trust_env)
        # The garbage collector may call remove() in a thread that is inside of add().
        self._lock = threading.RLock()
        self._calls: set[UserClientGuard] = set()
        self._wake_up = SimpleQueue[None]()
        self._wakes_at = 0.0
        self._running = False

    def add(self, call: UserClientGuard) -> None:
        """Watch a call. `remove()` must follow, however this ends."""
        run_locked(self._lock, self._add, call)

    def _add(self, call: UserClientGuard) -> None:
        self._calls.add(call)
        if not self._running:
            self._start()
        elif call.deadline < self._wakes_at:
            self._wake_up.put(None)

    def remove(self, call: UserClientGuard) -> None:
        """Stop watching. After this, the sockets of its thread are left alone."""
        run_locked(self._lock, self._calls.discard, call)

    def _start(self) -> None:
        with suppress(RuntimeError):  # the system can start no more threads: httpx's own timeouts remain
            start_thread("triverse-deadlines", self._watch)
            # After a KeyboardInterrupt before this line, the next call starts another thread. Two do no harm.
            self._running = True

    def _watch(self) -> None:
        idle = False
        while True:
            with self._lock:
                if idle and not self._calls:
                    self._running = False
                    return
                idle = not self._calls
                pause = self._abort_late_calls()
            with suppress(Empty):
                self._wake_up.get(timeout=pause)

    def _abort_late_calls(self) -> float:
        """Abort the calls whose deadline has passed, and return the seconds until the next look."""
        now = monotonic()
        for call in self._calls:
            if call.deadline <= now:
                call.abort()
        earliest = min((call.deadline for call in self._calls), default=now + _IDLE_SECONDS)
        pause = min(max(_REPEAT, earliest - now), threading.TIMEOUT_MAX)
        self._wakes_at = now + pause
        return pause


class UserClientGuard:
    """Holds one attempt, made with a user's client, to its deadline, and lets a `CancelToken` stop it.

    Attributes:
        deadline: when to give up; infinite for never.
        extensions: for the request.
    """

    def __init__(self, watch: DeadlineWatch, attempt: Attempt, url: httpx.URL, cancel: CancelToken | None) -> None:
        self.deadline: float = math.inf if attempt.deadline is None else attempt.deadline
        self._origin = origin_of(url)
        self.extensions: dict[str, object] = {"trace": ConnectionTrace(watch.proxies, self._origin, attempt)}
        self._watch = watch
        self._cancel = cancel
        self._thread = 0
        self._aborted = False

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy, if a connection to one was made."""
        return self._watch.proxies.get(self._origin)

    def begin(self) -> None:
        """The calling thread begins to use the client.

        Raises:
            AbortedError: the token is cancelled.
        """
        self._thread = threading.get_ident()
        if self._cancel is not None:
            self._cancel.on_cancel(self.abort)
        if self.deadline < math.inf:
            self._watch.add(self)

    def end(self) -> None:
        """The thread has ended that. To call it twice does no harm."""
        if self._cancel is not None:
            self._cancel.remove(self.abort)
        if self.deadline < math.inf:
            self._watch.remove(self)

    def explain(self, error: Exception) -> Exception:
        """The error, or that the deadline has passed, if that is why the connection was shut down."""
        return TimeoutError("the deadline has passed") if self._aborted else error

    def abort(self) -> None:
        """Make the thread fail, if it waits on a socket. For other threads."""
        self._aborted = True
        abort_thread(self._thread)


def abort_thread(thread: int) -> None:
    """Shut down the socket on which the attempt of this thread waits, if it waits on one."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented
    found: socket.socket | None = None
    while frame is not None and frame.f_globals.get("__name__") not in _CALLERS:
        found = found or _socket_of(frame)
        frame = frame.f_back
    if found is not None and frame is not None:  # otherwise the thread is not in an attempt
        with suppress(OSError):
            # The method of the plain class, because that of a TLS socket is not for other threads.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


def _socket_of(frame: FrameType) -> socket.socket | None:
    """The socket that this function of httpcore's uses, if it is a method of a stream; also over TLS."""
    if frame.f_globals.get("__name__", "").partition(".")[0] not in _LIBRARIES:
        return None
    stream: object = frame.f_locals.get("self")
    info: Callable[[str], object] | None = getattr(stream, "get_extra_info", None)
    sock = stream if info is None else info("socket")
    return sock if isinstance(sock, socket.socket) else None


class ProxyRecord:
    """The proxies to which a user's client makes connections, by the origin of the request.

    Args:
        trusts_env: whether the client uses the proxies of the environment.
    """

    def __init__(self, *, trusts_env: bool) -> None:
        self._proxies: dict[Origin, str | None] = {}
        self._trusts_env = trusts_env

    def get(self, origin: Origin) -> str | None:
        """Host and port of the proxy; None if none was seen."""
        return self._proxies.get(origin)

    def note(self, origin: Origin, info: Mapping[str, Any], attempt: Attempt) -> None:
        """Note where a connection goes: if not to the request's origin, then to a proxy.

        Raises:
            PlainHttpProxyError: a proxy of the environment would read the key.
        """
        peer = host_and_port(info["host"], info["port"])
        self._proxies[origin] = None if peer == host_and_port(*origin[1:]) else peer
        has_key = attempt.request.url is None
        if origin[0] == "http" and has_key and self._trusts_env and self.get(origin) in plain_http_proxies():
            raise PlainHttpProxyError(
                f"http_client would send the key in plain text through {peer}, a proxy of the environment: add"
                f" {origin[1]} to NO_PROXY, or make http_client with trust_env=False"
            )


class ConnectionTrace:
    """Takes part in httpcore's `trace` extension of one request. Other transports never call it."""

    def __init__(self, proxies: ProxyRecord, origin: Origin, attempt: Attempt) -> None:
        self._proxies = proxies
        self._origin = origin
        self._attempt = attempt

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Look up the name before httpcore does."""
        if not event.endswith(".connect_tcp.started"):
            return
        self._proxies.note(self._origin, info, self._attempt)
        limit = min_timeout(info["timeout"], seconds_left(self._attempt.deadline))
        with suppress(httpcore.ConnectError):  # the user's client may find the address in another way
            NameLookup(info["host"], info["port"]).addresses(limit)
