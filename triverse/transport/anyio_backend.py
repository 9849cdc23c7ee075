"""The backends for trio, and for asyncio loops that cannot watch sockets: httpcore's own, with the call's deadline."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Protocol, cast

import httpcore

from triverse.transport.event_loops import running_loop
from triverse.transport.name_lookup import map_lookup_errors
from triverse.transport.requests import min_timeout, seconds_left

__all__ = ["AnyioBackend"]


class Detachable(Protocol):
    """A socket of Python's or of trio's."""

    def detach(self) -> int:
        """Close the object, and return the descriptor, which stays open; -1 if it was closed before."""
        ...


class AnyioBackend(httpcore.AsyncNetworkBackend):
    """Makes one connection at a time.

    Attributes:
        deadline: when its operations end; set for each request.
        read_size: bytes to read at once, at most, if that is more than httpcore asks for; set for each request.
    """

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.read_size: int = 0
        on_asyncio = isinstance(running_loop(), asyncio.AbstractEventLoop)
        # anyio before 4.16 leaves the socket open if a connect is cancelled on trio.
        inner = httpcore.AnyIOBackend() if on_asyncio else httpcore.TrioBackend()
        # pyright takes the stand-ins that httpcore has for where anyio and trio are not installed.
        self._inner = cast("httpcore.AsyncNetworkBackend", inner)
        self._stream: httpcore.AsyncNetworkStream | None = None

    def limit(self, timeout: float | None) -> float | None:
        """The shorter of the phase's limit and the time left."""
        return min_timeout(timeout, seconds_left(self.deadline))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Make the connection."""
        with map_lookup_errors():
            stream = await self._inner.connect_tcp(host, port, self.limit(timeout), local_address, socket_options)
        return self.opened(stream)

    def opened(self, stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        """Remember the connection, for `aclose()`, and hold it to the deadline."""
        self._stream = stream
        return DeadlineStream(stream, self)

    async def aclose(self) -> None:
        """Close the connection, also one that httpcore does not know, because its TLS handshake was cancelled."""
        if self._stream is not None:
            await self._stream.aclose()

    def release(self) -> None:
        """Close the socket without its event loop, which is closed or belongs to a parent process."""
        sock: Detachable | None = None if self._stream is None else self._stream.get_extra_info("socket")
        # Not `close()`, for which a socket of trio's needs the running loop.
        descriptor = -1 if sock is None else sock.detach()
        if descriptor >= 0:
            socket.close(descriptor)


class DeadlineStream(httpcore.AsyncNetworkStream):
    """A connection of an `AnyioBackend`."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, backend: AnyioBackend) -> None:
        self._stream = stream
        self._backend = backend

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        return await self._stream.read(max(max_bytes, self._backend.read_size), self._backend.limit(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all the bytes."""
        await self._stream.write(buffer, self._backend.limit(timeout))

    async def aclose(self) -> None:
        """Close the socket."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Continue in TLS."""
        stream = await self._stream.start_tls(ssl_context, server_hostname, self._backend.limit(timeout))
        return self._backend.opened(stream)

    def get_extra_info(self, info: str) -> object:
        """Details of the socket, for httpcore."""
        try:
            return self._stream.get_extra_info(info)
        except ValueError:
            # trio cannot look at the descriptor of a closed socket. httpcore takes a readable connection for expired.
            return info == "is_readable"
