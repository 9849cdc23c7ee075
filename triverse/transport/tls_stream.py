"""TLS over any stream of bytes, with the standard library's TLS without a socket.

The sockets of `asyncio_backend` are not asyncio transports, so `loop.start_tls()` cannot be used with them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import httpcore

__all__ = ["TLSStream", "map_connect_errors", "start_tls"]

T = TypeVar("T")

_CHUNK: Final = 64 * 1024


@contextmanager
def map_connect_errors() -> Generator[None]:
    """Raise the errors that httpcore expects while a connection is made."""
    try:
        yield
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except (OSError, UnicodeError, httpcore.NetworkError) as error:
        raise httpcore.ConnectError(str(error)) from error


class TLSStream(httpcore.AsyncNetworkStream):
    """TLS over another stream, which may be TLS itself, to a proxy."""

    def __init__(
        self,
        inner: httpcore.AsyncNetworkStream,
        context: ssl.SSLContext,
        server_hostname: str | None,
    ) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    async def handshake(self) -> None:
        """Make the TLS handshake, and check the server's certificate."""
        await self._until_done(self._tls.do_handshake, None)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes; none at the end of the stream."""
        try:
            return await self._until_done(partial(self._tls.read, max_bytes), timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(str(error)) from error

    async def _until_done(self, step: Callable[[], T], timeout: float | None) -> T:
        """Exchange bytes with the server until this step succeeds."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush(timeout)
                self._feed(await self._inner.read(_CHUNK, timeout))
            else:
                await self._flush(timeout)
                return result

    def _feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self, timeout: float | None) -> None:
        if self._outgoing.pending:
            await self._inner.write(self._outgoing.read(), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all the bytes."""
        if not buffer:
            return
        try:
            self._tls.write(buffer)
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error
        await self._flush(timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Continue in TLS within TLS."""
        return await start_tls(self, ssl_context, server_hostname, timeout)

    async def aclose(self) -> None:
        """Close the socket."""
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> object:
        """Details of the connection, for httpcore and the tools that watch it."""
        return self._tls if info == "ssl_object" else self._inner.get_extra_info(info)


async def start_tls(
    inner: httpcore.AsyncNetworkStream,
    context: ssl.SSLContext,
    server_hostname: str | None,
    timeout: float | None,
) -> TLSStream:
    """Start TLS over this stream. If that fails, the stream is closed.

    Raises:
        httpcore.ConnectTimeout: it took too long.
        httpcore.ConnectError: the handshake failed, or the certificate is not trusted.
    """
    try:
        with map_connect_errors():
            stream = TLSStream(inner, context, server_hostname)
            async with asyncio.timeout(timeout):
                await stream.handshake()
    except BaseException:
        await inner.aclose()
        raise
    return stream
