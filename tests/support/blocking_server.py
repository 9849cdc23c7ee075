"""A service on a real socket that can hold requests, and notices when a client closes its connection."""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

__all__ = ["BlockingServer"]


class BlockingServer(ThreadingHTTPServer):
    """Answers `GET /users/balance` with 1 credit, except to keys that begin with `hold`: those wait for `release`.

    Attributes:
        requests: how many requests each key sent.
        closed: how many clients closed their connection while their request was held.
        release: set to answer the requests that are held.
    """

    daemon_threads = True
    request_queue_size = 1000

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.requests: Counter[str] = Counter()
        self.closed = 0
        self.release = threading.Event()
        self.lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @property
    def held(self) -> int:
        """Return how many requests are held."""
        with self.lock:
            return sum(n for key, n in self.requests.items() if key.startswith("hold")) - self.closed

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing when a client resets its connection."""

    @classmethod
    @contextmanager
    def running(cls, tls: ssl.SSLContext | None = None) -> Generator[Self, None, None]:
        with cls(tls) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.release.set()
                server.shutdown()
                thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: BlockingServer  # pyright: ignore[reportIncompatibleVariableOverride]  # only this server class uses this handler

    def do_GET(self) -> None:
        key = str(self.headers["Authorization"]).removeprefix("Bearer ")
        with self.server.lock:
            self.server.requests[key] += 1
        if key.startswith("hold") and not self._released():
            return
        known = key != "unknown-key"
        body = {"code": 0, "data": {"balance": 1, "frozen": 0}} if known else {"code": 1001, "message": "no"}
        content = json.dumps(body | {"message": "…"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _released(self) -> bool:
        """Whether the response may be sent; False if the client closed the connection first."""
        connection: socket.socket = self.connection
        while not self.server.release.wait(0.005):
            if select.select([connection], [], [], 0)[0]:
                with self.server.lock:
                    self.server.closed += 1
                self.close_connection = True
                return False
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name for it
        """Write no log."""
