"""A socket that keeps the call's deadline.

httpx's read timeout begins anew at every byte, so a server that sends a byte now and then holds a call for ever. Here
every operation on the socket gets no more time than is left of the call.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress

import httpcore

from triverse.transport.messages import shorter

__all__ = ["DeadlineBackend"]


class DeadlineBackend(httpcore.SyncBackend):
    """Makes connections that give up at `deadline`, which is set anew for each request."""

    deadline: float | None = None
    stream: httpcore.NetworkStream | None = None

    def abort(self) -> None:
        """Make whoever reads or writes fail at once. For other threads."""
        self.deadline = 0.0
        sock: object = None if self.stream is None else self.stream.get_extra_info("socket")
        if isinstance(sock, socket.socket):
            # The plain method, since that of a TLS socket is not for other threads.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def limit(self, timeout: float | None, expired: type[Exception]) -> float | None:
        """The shorter of the phase's limit and what is left.

        Raises:
            Exception: of the kind `expired`, if nothing is left.
        """
        if self.deadline is None:
            return timeout
        left = self.deadline - time.monotonic()
        if left <= 0:
            message = "the deadline has passed"
            raise expired(message)
        return shorter(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address of the host in turn, all within the one limit."""
        until = None if timeout is None else time.monotonic() + timeout
        problem: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in _addresses(host, port):
            left = None if until is None else max(0.001, until - time.monotonic())
            try:
                stream = super().connect_tcp(
                    address,
                    port,
                    self.limit(left, httpcore.ConnectTimeout),
                    local_address,
                    socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
            else:
                return DeadlineStream(stream, self)
        raise problem or httpcore.ConnectError(f"{host} has no address")


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(entry[4][0]) for entry in found]


class DeadlineStream(httpcore.NetworkStream):
    """A connection of a `DeadlineBackend`."""

    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend
        backend.stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        limit = self._backend.limit(timeout, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, limit)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all the bytes."""
        limit = self._backend.limit(timeout, httpcore.WriteTimeout)
        self._stream.write(buffer, limit)

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on in TLS."""
        limit = self._backend.limit(timeout, httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, limit)
        return DeadlineStream(stream, self._backend)

    def get_extra_info(self, info: str) -> object:
        """What httpcore asks about the socket."""
        return self._stream.get_extra_info(info)
