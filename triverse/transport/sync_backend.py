"""Sockets that keep the call's deadline.

httpx's read timeout starts again at every byte, so a server that sends a byte now and then holds a call for ever. Here
every operation on the socket gets at most the time that is left of the call.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import httpcore

from triverse.transport.clock import monotonic
from triverse.transport.name_lookup import NameLookup
from triverse.transport.requests import min_timeout

__all__ = ["DeadlineBackend"]

_MAX_WRITE: Final = 64 * 1024


class DeadlineBackend(httpcore.SyncBackend):
    """Makes one connection at a time.

    Attributes:
        deadline: when its operations end; set for each request.
        read_size: bytes to read at once, at most, if that is more than httpcore asks for; set for each request.
    """

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.read_size: int = 0
        self._process = os.getpid()
        self._stream: httpcore.NetworkStream | None = None
        self._lookup: NameLookup | None = None

    def abort(self) -> None:
        """Make the thread that uses the connection fail at once. For other threads.

        Not in a forked child: `shutdown()` would end the connection of the parent, which has the same socket.
        """
        if self._process != os.getpid():
            return
        self.deadline = 0.0
        if self._lookup is not None:
            self._lookup.abort()
        sock: object = None if self._stream is None else self._stream.get_extra_info("socket")
        if isinstance(sock, socket.socket):
            # The method of the plain class, because that of a TLS socket is not for other threads.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, also one that httpcore does not know yet, because its TLS handshake was interrupted."""
        if self._stream is not None:
            self._stream.close()

    def limit(self, timeout: float | None, expired: type[Exception]) -> float | None:
        """The shorter of the phase's limit and the time left.

        Raises:
            Exception: of the class `expired`, if no time is left.
        """
        if self.deadline is None:
            return timeout
        left = self.deadline - monotonic()
        if left <= 0:
            message = "the deadline has passed"
            raise expired(message)
        return min_timeout(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address of the host in turn, all within one limit."""
        until = None if timeout is None else monotonic() + timeout
        self._lookup = NameLookup(host, port)
        addresses = self._lookup.addresses(self.limit(timeout, httpcore.ConnectTimeout))
        self._lookup = None
        problem: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            left = None if until is None else max(0.001, until - monotonic())
            limit = self.limit(left, httpcore.ConnectTimeout)
            try:
                stream = super().connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
            else:
                return DeadlineStream(stream, self)
        raise problem or httpcore.ConnectError(f"{host} has no address")

    def opened(self, stream: httpcore.NetworkStream) -> None:
        """Remember the connection, for `abort()` and `close()`."""
        self._stream = stream


class DeadlineStream(httpcore.NetworkStream):
    """A connection of a `DeadlineBackend`."""

    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend
        backend.opened(stream)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        limit = self._backend.limit(timeout, httpcore.ReadTimeout)
        return self._stream.read(max(max_bytes, self._backend.read_size), limit)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all the bytes."""
        # In parts, because httpcore gives each `send()` the whole limit again.
        for start in range(0, len(buffer), _MAX_WRITE):
            limit = self._backend.limit(timeout, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _MAX_WRITE], limit)

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Continue in TLS."""
        limit = self._backend.limit(timeout, httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, limit)
        return DeadlineStream(stream, self._backend)

    def get_extra_info(self, info: str) -> object:
        """Details of the socket, for httpcore."""
        return self._stream.get_extra_info(info)
