"""Look up host names in a thread that can be given up.

`socket.getaddrinfo()` has no timeout: with a name server that does not answer it takes 5 s and more, whatever the
deadline of the call.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # pyright: ignore[reportUnusedImport]  # see below
import ipaddress
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

import httpcore

from triverse.transport.threads import start_thread

__all__ = ["NameLookup", "map_lookup_errors"]

# getaddrinfo() imports encodings.idna. In a child that is forked meanwhile, the import lock would be held for ever.


class NameLookup:
    """One lookup. The thread that waits for it can be released by `abort()`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        # A queue, because a KeyboardInterrupt can leave an Event locked.
        self._ended = SimpleQueue[None]()
        self._addresses: list[str] | None = None
        self._error: Exception | None = None

    def addresses(self, timeout: float | None) -> list[str]:
        """The addresses of the host, in the order in which to try them.

        Raises:
            httpcore.ConnectTimeout: the lookup took too long.
            httpcore.ConnectError: the host has no address.
        """
        if _is_address(self._host):
            return [self._host]
        self._start()
        with suppress(Empty):
            self._ended.get(timeout=timeout)
        if self._error is not None:
            raise httpcore.ConnectError(str(self._error)) from self._error
        if self._addresses is None:
            message = f"the lookup of the name {self._host} took too long"
            raise httpcore.ConnectTimeout(message)
        return self._addresses

    def _start(self) -> None:
        try:
            start_thread("triverse-name-lookup", self._run)
        except RuntimeError:  # the system can start no more threads
            self._run()

    def _run(self) -> None:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._addresses = [str(entry[4][0]) for entry in found]
        except (OSError, UnicodeError) as error:
            self._error = error
        finally:
            self._ended.put(None)

    def abort(self) -> None:
        """Release the thread that waits, as if the time had run out. For other threads."""
        self._ended.put(None)


@contextmanager
def map_lookup_errors() -> Generator[None]:
    """Raise the error that httpcore expects if an event loop has no thread in which to look up a name.

    Raises:
        httpcore.ConnectError: the system can start no more threads, or the loop is ending.
    """
    try:
        yield
    except RuntimeError as error:
        message = f"the name of the host could not be looked up: {error}"
        raise httpcore.ConnectError(message) from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
