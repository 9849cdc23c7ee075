"""A service on a real socket that can hold requests back, and sees when a client hangs up."""

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

__all__ = ["HeldService"]


class HeldService(ThreadingHTTPServer):
    """Answers `GET /users/balance` with 1 credit, except by keys that begin with `hold`: those wait for `release`.

    Attributes:
        asked: how often each key asked.
        hung_up: how many clients left while they were held.
        release: answers those that are held.
    """

    daemon_threads = True
    request_queue_size = 1000

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.asked: Counter[str] = Counter()
        self.hung_up = 0
        self.release = threading.Event()
        self.lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @property
    def held(self) -> int:
        """How many requests wait for an answer."""
        with self.lock:
            return sum(n for key, n in self.asked.items() if key.startswith("hold")) - self.hung_up

    @classmethod
    @contextmanager
    def running(cls, tls: ssl.SSLContext | None = None) -> Generator[Self, None, None]:
        with cls(tls) as service:
            thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield service
            finally:
                service.release.set()
                service.shutdown()
                thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: HeldService  # pyright: ignore[reportIncompatibleVariableOverride]  # the one server that has this handler

    def do_GET(self) -> None:
        key = str(self.headers["Authorization"]).removeprefix("Bearer ")
        with self.server.lock:
            self.server.asked[key] += 1
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
        """Whether the answer may go out; False if the client hung up first."""
        connection: socket.socket = self.connection
        while not self.server.release.wait(0.005):
            if select.select([connection], [], [], 0)[0]:
                with self.server.lock:
                    self.server.hung_up += 1
                self.close_connection = True
                return False
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name for it
        """Keep quiet."""
