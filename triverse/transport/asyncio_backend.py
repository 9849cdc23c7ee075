"""Sockets of asyncio, read and written through the event loop's `add_reader()` and `sock_sendall()`.

Not asyncio's transports, which `loop.create_connection()` and httpcore's backend use. Transports can only be closed by
a running loop: `close()` and `abort()` of one whose loop is closed raise RuntimeError, the socket stays open, and the
garbage collector warns of it (measured with Python 3.11 and 3.13). Clients that are not closed, and loops that end with
`loop.close()` alone, would leave such sockets. In a forked child, closing a transport changes the parent's epoll set,
which both processes share, and so ends the parent's connection. A plain socket can be closed at any moment.

A read is one future and one timer. The streams of anyio take a cancel scope and two more steps of the loop. Of a large
body, what has arrived already is read without the loop: a download takes a third less processor time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Final

import httpcore

from triverse.transport.name_lookup import map_lookup_errors
from triverse.transport.requests import min_timeout, seconds_left
from triverse.transport.tls_stream import map_connect_errors, start_tls

__all__ = ["AsyncioBackend", "PlainStream", "fail_read", "supports_add_reader"]

_UNIMPLEMENTED_ADD_READER: Final = asyncio.AbstractEventLoop.add_reader
# Seconds that each address of a host has for itself before the next is tried as well (RFC 8305).
_HAPPY_EYEBALLS_DELAY: Final = 0.25
# Reads of a large body that are made in a row without the event loop, so that other tasks wait for some 4 ms at most.
_READS_AT_ONCE: Final = 4


def supports_add_reader(loop: object) -> bool:
    """Whether this is an asyncio loop that can watch sockets. The default loop of Windows cannot."""
    return isinstance(loop, asyncio.AbstractEventLoop) and type(loop).add_reader is not _UNIMPLEMENTED_ADD_READER


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Makes one connection at a time.

    Attributes:
        deadline: when its operations end; set for each request.
        read_size: bytes to read at once, at most, if that is more than httpcore asks for; set for each request.
    """

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.read_size: int = 0
        self._stream: PlainStream | None = None

    def limit(self, timeout: float | None) -> float | None:
        """The shorter of the phase's limit and the time left."""
        return min_timeout(timeout, seconds_left(self.deadline))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the pool passes none
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - the pool passes none
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the address of the host that accepts first."""
        with map_connect_errors():
            async with asyncio.timeout(self.limit(timeout)):
                self._stream = PlainStream(await _connect(host, port), self)
        return self._stream

    async def aclose(self) -> None:
        """Close the connection, also one that httpcore does not know, because its TLS handshake was cancelled."""
        if self._stream is not None:
            await self._stream.aclose()

    def release(self) -> None:
        """Close the socket without its event loop, which is closed or belongs to a parent process."""
        if self._stream is not None:
            self._stream.release()


async def _connect(host: str, port: int) -> socket.socket:
    """Connect to one of the host's addresses. They are tried in order, each with a head start (RFC 8305)."""
    loop = asyncio.get_running_loop()
    with map_lookup_errors():
        addresses = deque(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    racing: set[asyncio.Task[socket.socket]] = set()
    try:
        while True:
            if addresses:
                family, _, _, _, address = addresses.popleft()
                racing.add(loop.create_task(_connect_to(family, address)))
            delay = _HAPPY_EYEBALLS_DELAY if addresses else None
            done, _ = await asyncio.wait(racing, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                racing.remove(task)
                if task.exception() is None or not (racing or addresses):
                    return task.result()
    finally:
        for task in racing:
            task.cancel()
            task.add_done_callback(_close_late_socket)
        if racing:
            await asyncio.wait(racing)


async def _connect_to(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - the name of the function gives its meaning
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_late_socket(task: asyncio.Task[socket.socket]) -> None:
    """Close a connection that was made at the moment when it was given up."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


class PlainStream(httpcore.AsyncNetworkStream):
    """A connection of an `AsyncioBackend`."""

    def __init__(self, sock: socket.socket, backend: AsyncioBackend) -> None:
        self._backend = backend
        self._socket = sock
        self._process = os.getpid()
        # Closes the socket without a ResourceWarning, also after its event loop was closed.
        weakref.finalize(self, sock.close)
        self._watched = False
        self._wanted = 0
        self._reads_at_once = 0
        self._arrival: asyncio.Future[bytes] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes; none at the end of the stream."""
        if self._socket.fileno() < 0:
            message = "the connection is closed"
            raise httpcore.ReadError(message)
        limit = self._backend.limit(timeout)
        if limit == 0:  # if there is always more to read, the timer never fires
            message = "the deadline has passed"
            raise httpcore.ReadTimeout(message)
        loop = asyncio.get_running_loop()  # fails in a forked child, which must not read its parent's bytes
        self._wanted = max(max_bytes, self._backend.read_size)
        if self._backend.read_size and self._reads_at_once < _READS_AT_ONCE:
            self._reads_at_once += 1
            data = self._receive()
            if data is not None:
                return data
        self._reads_at_once = 0
        if not self._watched:
            loop.add_reader(self._socket, self._on_readable)
            self._watched = True
        arrival: asyncio.Future[bytes] = loop.create_future()
        self._arrival = arrival
        timer = None if limit is None else loop.call_later(limit, fail_read, arrival)
        try:
            return await arrival
        finally:
            if timer is not None:
                timer.cancel()

    def _on_readable(self) -> None:
        """Read for the waiting task. The socket stays watched between reads: to stop and start takes longer."""
        if self._arrival is None or self._arrival.done():
            self._stop_watching()
            return
        try:
            data = self._receive()
        except httpcore.ReadError as error:
            self._arrival.set_exception(error)
        else:
            if data is not None:
                self._arrival.set_result(data)

    def _receive(self) -> bytes | None:
        """What has arrived; None if nothing has."""
        try:
            return self._socket.recv(self._wanted)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def _stop_watching(self) -> None:
        # Not in a forked child: its epoll set is that of the parent.
        if self._watched and self._process == os.getpid():
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
        """Continue in TLS."""
        return await start_tls(self, ssl_context, server_hostname, self._backend.limit(timeout))

    async def aclose(self) -> None:
        """Close the socket."""
        self._stop_watching()
        self._socket.close()

    def release(self) -> None:
        """Close the socket without its event loop."""
        self._socket.close()

    def get_extra_info(self, info: str) -> object:
        """Details of the socket, for httpcore and the tools that watch it."""
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
        """Whether there is something to read. On an idle connection: whether the server has closed it."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True


def fail_read(arrival: asyncio.Future[bytes]) -> None:
    """End the wait of a read, unless its bytes have just arrived."""
    if not arrival.done():
        arrival.set_exception(httpcore.ReadTimeout("no data was received in time"))
