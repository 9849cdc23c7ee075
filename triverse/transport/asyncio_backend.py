"""Sockets of asyncio, straight from its event loop.

anyio's streams put a cancel scope and a trip around the loop into every read and write. Here a read is one future, and
one timer that gives up when the phase's limit or the call's deadline is over.

The sockets are plain ones, not transports of asyncio's: so they can be closed at any moment, with the loop running,
stopped or closed, and nothing is left for the garbage collector to warn of.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import httpcore

from triverse.transport.messages import shorter
from triverse.transport.tls_stream import connecting, start_tls

__all__ = ["AsyncioBackend", "PlainStream", "expire", "watches_sockets"]

_WATCHES_NONE: Final = asyncio.AbstractEventLoop.add_reader
# Seconds that one address of a host has for itself before the next is tried as well (RFC 8305).
_HEAD_START: Final = 0.25
_NO_SCOPE: Final = nullcontext()


def watches_sockets(loop: object) -> bool:
    """Whether this is a loop of asyncio's that tells when a socket can be read. The usual one of Windows is not."""
    return isinstance(loop, asyncio.AbstractEventLoop) and type(loop).add_reader is not _WATCHES_NONE


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Makes one connection at a time, which gives up at `deadline`; that is set anew for each request."""

    deadline: float | None = None
    _stream: PlainStream | None = None

    def within(self, deadline: float | None) -> AbstractContextManager[None]:
        """Hold the next request to this deadline."""
        self.deadline = deadline
        return _NO_SCOPE

    def limit(self, timeout: float | None) -> float | None:
        """The shorter of the phase's limit and what is left of the call."""
        return timeout if self.deadline is None else shorter(timeout, max(0.0, self.deadline - time.monotonic()))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the wire asks for none
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the address of the host that answers first."""
        with connecting():
            async with asyncio.timeout(self.limit(timeout)):
                self._stream = PlainStream(await _connect(host, port), self)
        return self._stream

    async def aclose(self) -> None:
        """Close the connection, though httpcore may have forgotten it: it does where a TLS handshake is cancelled."""
        if self._stream is not None:
            await self._stream.aclose()


async def _connect(host: str, port: int) -> socket.socket:
    """A connection to one of the host's addresses. They are tried in order, each with a head start."""
    loop = asyncio.get_running_loop()
    addresses = deque(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    racing: set[asyncio.Task[socket.socket]] = set()
    try:
        while True:
            if addresses:
                family, _, _, _, address = addresses.popleft()
                racing.add(loop.create_task(_connect_to(family, address)))
            head_start = _HEAD_START if addresses else None
            done, _ = await asyncio.wait(racing, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                racing.remove(task)
                if task.exception() is None or not (racing or addresses):
                    return task.result()
    finally:
        for task in racing:
            task.cancel()
            task.add_done_callback(_close_loser)
        if racing:
            await asyncio.wait(racing)


async def _connect_to(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - the name of the function says what it means
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_loser(task: asyncio.Task[socket.socket]) -> None:
    """For a connection that was made at the very moment when it was given up."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


class PlainStream(httpcore.AsyncNetworkStream):
    """A connection of an `AsyncioBackend`."""

    def __init__(self, sock: socket.socket, backend: AsyncioBackend) -> None:
        self._backend = backend
        self._socket = sock
        # Whoever forgets it, and be it with a loop that is gone: the socket is closed, without a warning.
        weakref.finalize(self, sock.close)
        self._watched = False
        self._wanted = 0
        self._arrival: asyncio.Future[bytes] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes; none where the stream ends."""
        if self._socket.fileno() < 0:
            message = "the connection is closed"
            raise httpcore.ReadError(message)
        limit = self._backend.limit(timeout)
        if limit == 0:  # where there is always more to read, a timer would never be asked
            message = "the deadline has passed"
            raise httpcore.ReadTimeout(message)
        loop = asyncio.get_running_loop()
        if not self._watched:
            loop.add_reader(self._socket, self._on_readable)
            self._watched = True
        self._wanted = max_bytes
        arrival: asyncio.Future[bytes] = loop.create_future()
        self._arrival = arrival
        timer = None if limit is None else loop.call_later(limit, expire, arrival)
        try:
            return await arrival
        finally:
            if timer is not None:
                timer.cancel()

    def _on_readable(self) -> None:
        """Read for whoever waits. The watch goes on between reads, since ending and beginning it costs more."""
        if self._arrival is None or self._arrival.done():
            self._stop_watching()
            return
        try:
            self._arrival.set_result(self._socket.recv(self._wanted))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._arrival.set_exception(httpcore.ReadError(str(error)))

    def _stop_watching(self) -> None:
        if self._watched:
            asyncio.get_running_loop().remove_reader(self._socket)
        self._watched = False

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all the bytes."""
        try:
            sent = self._send(buffer)
            if sent < len(buffer):
                async with asyncio.timeout(self._backend.limit(timeout)):
                    await asyncio.get_running_loop().sock_sendall(self._socket, buffer[sent:])
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def _send(self, buffer: bytes) -> int:
        try:
            return self._socket.send(buffer) if buffer else 0
        except (BlockingIOError, InterruptedError):
            return 0

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Go on in TLS."""
        return await start_tls(self, ssl_context, server_hostname, self._backend.limit(timeout))

    async def aclose(self) -> None:
        """Close the socket."""
        self._stop_watching()
        self._socket.close()

    def get_extra_info(self, info: str) -> object:
        """What httpcore, and those who instrument it, ask about the socket."""
        match info:
            case "is_readable":
                return self._is_readable()
            case "socket":
                return self._socket
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
            case _:
                return None

    def _is_readable(self) -> bool:
        """Whether there is something to read: of an idle connection, that the server has ended it."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True


def expire(arrival: asyncio.Future[bytes]) -> None:
    """The time to read is over."""
    if not arrival.done():
        arrival.set_exception(httpcore.ReadTimeout("nothing came in time"))
