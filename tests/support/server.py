"""A real HTTP server on a loopback port, with one thread per connection. A script handles each connection."""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self, TypeAlias

__all__ = [
    "BALANCE",
    "ME",
    "QUOTE",
    "TASK",
    "UPLOADED",
    "Peer",
    "Received",
    "Responder",
    "Script",
    "Server",
    "answer",
    "envelope",
    "serving",
]

ME: dict[str, object] = {
    "id": "5f3b2a1c-9d4e-4f6a-8b7c-0123456789ab",
    "email": "ada@example.com",
    "web_credits_balance": 12.5,
    "api_credits_balance": 100.0,
    "plan_name": "Pro",
}
BALANCE: dict[str, object] = {"balance": 100.0, "frozen": 25.0}
UPLOADED: dict[str, object] = {"file_key": "tasks/uid_1/20260601/1.png"}
QUOTE: dict[str, object] = {"flow_name": "text-to-model", "params": {}, "cost_credits": 42, "available_credits": 100}
TASK: dict[str, object] = {"task_uuid": "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f", "status": "SUCCESS", "cost_credits": 42}

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Received:
    """A request as it was received."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str:
        """Return the value of a header; several values are joined by a comma."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())


def answer(
    body: bytes | object, status: int = 200, headers: dict[str, str] | None = None, reason: str = "Whatever"
) -> bytes:
    """Return a whole HTTP response. A body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + content


def envelope(data: object) -> dict[str, object]:
    """Return the envelope of a success."""
    return {"code": 0, "message": "success", "data": data}


_USUAL = {
    "/api/v1/users/me": ME,
    "/api/v1/users/balance": BALANCE,
    "/api/v1/upload/image": UPLOADED,
    "/api/v1/tasks/pricing/quote": QUOTE,
    "/api/v1/tasks/text-to-model": TASK,
    "/api/v1/tasks/image-to-model": TASK,
    f"/api/v1/tasks/{TASK['task_uuid']}": TASK,
}


def usual(received: Received) -> bytes:
    """Return the response of the service to this request."""
    if received.path in _USUAL:
        return answer(envelope(_USUAL[received.path]))
    return answer({"code": 1005, "message": "not found", "suggestion": "Look elsewhere."}, 404)


Responder: TypeAlias = Callable[[Received], bytes]


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: Server, sock: socket.socket, number: int) -> None:
        self.server = server
        self.number = number
        self._sock = sock
        self._buffer = b""

    def request(self, *, whole: bool = True) -> Received | None:
        """Read the next request; None if the client closed the connection. `whole` also reads the whole body."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        while whole and len(self._buffer) < length and self._more():
            pass
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        received = Received(method, target, headers, body, self.number)
        self.server.record(received)
        return received

    def _more(self) -> bool:
        chunk = self._sock.recv(65536)
        self._buffer += chunk
        return bool(chunk)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def trickle(self, data: bytes, pause: float = 0.02) -> None:
        """Send single bytes with pauses, until all are sent or the server closes."""
        for byte in data:
            self.send(bytes([byte]))
            self.pause(pause)

    def pause(self, seconds: float = 30.0) -> None:
        """Do nothing for some seconds, or until the client closes the connection or the server stops."""
        watched = select.poll()
        watched.register(self._sock, getattr(select, "POLLRDHUP", select.POLLHUP))
        until = time.monotonic() + seconds
        while not self.server.closing.is_set() and time.monotonic() < until and not watched.poll(50):
            pass

    def reset(self) -> None:
        """Close the connection with a reset (RST)."""
        raw = self._sock.detach()
        with socket.socket(fileno=raw) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def half_close(self) -> None:
        """Close the sending side of the connection only."""
        self._sock.shutdown(socket.SHUT_WR)

    def raw_send(self, data: bytes) -> None:
        """Send bytes without the TLS layer, if there is one."""
        socket.socket.sendall(self._sock, data)

    def hang_up(self) -> None:
        """Shut the socket down, so that the script stops waiting."""
        with suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def start_tls(self, context: ssl.SSLContext) -> None:
        self._sock = context.wrap_socket(self._sock, server_side=True)

    def close(self) -> None:
        with suppress(OSError):
            self._sock.close()

    def drained(self) -> Iterator[bytes]:
        """Yield the bytes that the client sends, until it closes the connection."""
        if self._buffer:
            yield self._buffer
        with suppress(OSError):
            while chunk := self._sock.recv(65536):
                yield chunk


Script: TypeAlias = Callable[[Peer], None]


def keep_answering(respond: Responder) -> Script:
    """Respond to each request of a connection correctly."""

    def play(peer: Peer) -> None:
        while (received := peer.request()) is not None:
            peer.send(respond(received))

    return play


@dataclass
class Server:
    """Listens on a free port. `script` handles every connection."""

    script: Script = field(default_factory=lambda: keep_answering(usual))
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    connections: int = 0
    requests: list[Received] = field(default_factory=list[Received])
    open_now: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self._lock = threading.Condition()
        self._listener = socket.create_server((self.host, 0), backlog=2048)
        self._peers: set[Peer] = set()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]

    @property
    def origin(self) -> str:
        scheme, name = ("https", "localhost") if self.tls else ("http", self.host)
        return f"{scheme}://{name}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/api/v1"

    @property
    def authorizations(self) -> list[str]:
        """The `Authorization` headers, in the order of the requests."""
        return [received.header("Authorization") for received in self.requests]

    def record(self, received: Received) -> None:
        with self._lock:
            self.requests.append(received)
            self._lock.notify_all()

    def heard(self, requests: int = 1, within: float = 10.0) -> bool:
        """Wait until this number of requests was received; False if that takes too long."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self.requests) >= requests, within)

    def settled(self, *, still_open: int = 0, within: float = 5.0) -> bool:
        """Wait until at most this number of connections is open; False if that takes too long."""
        with self._lock:
            return self._lock.wait_for(lambda: self.open_now <= still_open, within)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in list(self._peers):
            peer.hang_up()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._start(self._serve, Peer(self, sock, self.connections))

    def _serve(self, peer: Peer) -> None:
        with self._lock:
            self._peers.add(peer)
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
        try:
            # Clients and scripts may break the connection in any way.
            with suppress(OSError, ValueError):
                if self.tls:
                    peer.start_tls(self.tls)
                self.script(peer)
        finally:
            peer.close()
            with self._lock:
                self._peers.discard(peer)
                self.open_now -= 1
                self._lock.notify_all()


@contextmanager
def serving(respond: Responder = usual, tls: ssl.SSLContext | None = None) -> Generator[Server]:
    """Run a correct server that responds by this function."""
    with Server(keep_answering(respond), tls) as server:
        yield server
