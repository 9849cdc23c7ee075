"""A server in memory, below httpcore. It sends given bytes in pieces, and then the correct response."""

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
    """Answers the first request with the given bytes, and each further one with `GOOD`.

    Args:
        first: the response to the first request.
        piece: how many bytes one read returns, at least a sixteenth of the rest; 0 for all at once.
        hangs_up: whether it then closes the connection; otherwise the next read times out.
    """

    def __init__(self, first: bytes, piece: int, *, hangs_up: bool) -> None:
        self.answers = iter([first])
        self.piece = piece
        self.hangs_up = hangs_up

    @contextmanager
    def reached(self) -> Generator[None]:
        """Let every new connection lead to this server, whatever its address."""

        def connect_tcp(*_where: object) -> Connection:
            return Connection(self)

        with patch.object(httpcore.SyncBackend, "connect_tcp", connect_tcp):
            yield


class Connection(httpcore.NetworkStream):
    """The client's side of a connection to the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._unread = b""
        self._over = False

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - it never waits
        """Receive a request. It has no body, so it comes in one write."""
        if self._over:
            raise httpcore.WriteError
        answer = next(self._server.answers, None)
        self._unread += GOOD if answer is None else answer
        self._over = answer is not None and self._server.hangs_up

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - it never waits
        if not self._unread and not self._over:
            raise httpcore.ReadTimeout
        size = min(max_bytes, max(self._server.piece, len(self._unread) // 16) if self._server.piece else max_bytes)
        read, self._unread = self._unread[:size], self._unread[size:]
        return read

    def get_extra_info(self, info: str) -> object:
        return bool(self._unread) or self._over if info == "is_readable" else None

    def close(self) -> None:
        """Do nothing: there is no socket."""
