"""A server in memory, below httpcore. It sends given bytes in pieces, and then the right response."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

import httpcore

__all__ = ["GOOD", "Server"]

_BODY: Final = b'{"code": 0, "message": "success", "data": {"balance": 7, "frozen": 0}}'
GOOD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
"""Seven credits."""


class Server:
    """Answers the first request with these bytes, and each that follows with `GOOD`.

    Args:
        says: what comes first.
        piece: how many bytes at a time, at least a sixteenth of them; 0 for all at once.
        hangs_up: whether it then closes the connection; else it says nothing more, until the time is over.
    """

    def __init__(self, says: bytes, piece: int, *, hangs_up: bool) -> None:
        self.answers = iter([says])
        self.piece = piece
        self.hangs_up = hangs_up

    @contextmanager
    def reached(self) -> Generator[None]:
        """Connect every new connection to this server, whatever its address."""

        def connect_tcp(*_where: object) -> Connection:
            return Connection(self)

        with patch.object(httpcore.SyncBackend, "connect_tcp", connect_tcp):
            yield


class Connection(httpcore.NetworkStream):
    """What a client has of the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._unread = b""
        self._over = False

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - it never takes long
        """Each request has no body, and so comes in one piece."""
        if self._over:
            raise httpcore.WriteError
        answer = next(self._server.answers, None)
        self._unread += GOOD if answer is None else answer
        self._over = answer is not None and self._server.hangs_up

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - it never takes long
        if not self._unread and not self._over:
            raise httpcore.ReadTimeout
        size = min(max_bytes, max(self._server.piece, len(self._unread) // 16) if self._server.piece else max_bytes)
        read, self._unread = self._unread[:size], self._unread[size:]
        return read

    def get_extra_info(self, info: str) -> object:
        return bool(self._unread) or self._over if info == "is_readable" else None

    def close(self) -> None:
        """Nothing to close."""
