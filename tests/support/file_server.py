"""A server on a loopback port that serves a file and accepts uploads, with scripted faults.

It streams without keeping a copy, so files and uploads of hundreds of MiB need little memory.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import BufferedReader
from typing import Self, TypeAlias

from attrs import define, field, frozen

__all__ = ["Cut", "FileServer", "Got", "Sent", "accepted", "file_response", "json_response", "serving_files"]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@frozen
class Got:
    """A request: its head, and a digest of its body.

    Attributes:
        sha256: of the body.
        size: of the body.
        body: its first and last bytes, or all of a small one.
    """

    method: str
    target: str
    headers: dict[str, str]
    size: int = 0
    sha256: str = ""
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@frozen
class Cut:
    """Where a connection ends: after this number of bytes of the body."""

    after: int
    reset: bool = False


@frozen
class Sent:
    """A response.

    Attributes:
        status: 0 to close the connection without a response.
        cut: the number of bytes of the body after which the connection breaks.
        chunked: sends no `Content-Length`.
        stall: waits here, before this byte of the body, until the server closes.
    """

    status: int = 200
    headers: dict[str, str] = field(factory=dict[str, str])
    body: bytes = b""
    cut: Cut | None = None
    chunked: bool = False
    stall: int | None = None


Handler: TypeAlias = Callable[[Got], Sent]


def json_response(value: object, status: int = 200, **headers: str) -> Sent:
    """Return a response with JSON."""
    return Sent(status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())


def accepted(got: Got) -> Sent:
    """Return the response to an upload. The key of the file contains the checksum of the body."""
    return json_response({"code": 0, "message": "success", "data": {"file_key": f"tasks/{got.sha256}/{got.size}"}})


def file_response(  # noqa: PLR0913 - the ways in which servers differ
    data: bytes,
    got: Got,
    *,
    etag: str | None = '"one"',
    ranges: bool = True,
    cut: Cut | None = None,
    chunked: bool = False,
    name: str | None = "helmet.glb",
) -> Sent:
    """Return a file, or the requested rest of it. `cut` counts from the first byte of the file."""
    headers = {"Content-Type": "application/octet-stream"}
    if etag is not None:
        headers["ETag"] = etag
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    start, status = 0, 200
    asked = got.headers.get("range")
    if asked is not None and ranges and got.headers.get("if-range") == etag:
        start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    if cut is not None:
        cut = Cut(cut.after - start, cut.reset) if cut.after >= start else None
    return Sent(status, headers, data[start:], cut, chunked)


@define(eq=False)
class FileServer:
    """Responds to each request by the next function of the script. The last one is repeated.

    Attributes:
        script: one function for each request.
        upload_cuts: where the connections of the first requests break, in the body that they send.
        requests: all requests, in their order.
        open_now: connections that are open.
        connections: how many there have been.
    """

    script: Sequence[Handler]
    upload_cuts: list[Cut] = field(factory=list[Cut])
    requests: list[Got] = field(factory=list[Got])
    open_now: int = 0
    connections: int = 0
    closing: threading.Event = field(factory=threading.Event)
    _changed: threading.Condition = field(factory=threading.Condition)
    _listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=100))
    _sockets: set[socket.socket] = field(factory=set[socket.socket])
    _threads: list[threading.Thread] = field(factory=list[threading.Thread])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"{self.origin}/api/v1"

    def settled(self, within: float = 5.0) -> bool:
        """Wait until no connection is open; False if that does not happen."""
        with self._changed:
            return self._changed.wait_for(lambda: self.open_now == 0, within)

    def received(self, requests: int, within: float = 10.0) -> bool:
        """Wait until this number of requests was received."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= requests, within)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
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
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with self._changed:
            self._sockets.add(sock)
            self.open_now += 1
            self.connections += 1
        try:
            # Clients may break the connection in any way.
            with suppress(OSError, ValueError), sock.makefile("rb") as file:
                while (got := self._read(sock, file)) is not None and self._answer(sock, got):
                    pass
        finally:
            sock.close()
            with self._changed:
                self._sockets.discard(sock)
                self.open_now -= 1
                self._changed.notify_all()

    def _read(self, sock: socket.socket, file: BufferedReader) -> Got | None:
        first = file.readline().decode("latin-1").split(" ")
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while line := file.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        cut = self.upload_cuts.pop(0) if self.upload_cuts and length else None
        wanted = length if cut is None else cut.after
        digest, size, body = sha256(), 0, b""
        while size < wanted and (chunk := file.read(min(1 << 16, wanted - size))):
            digest.update(chunk)
            size += len(chunk)
            body = body + chunk if len(body) < 4096 else body
        if cut is not None:
            _end(sock, cut)
        if size < length:
            return None
        got = Got(first[0], first[1], headers, size, digest.hexdigest(), body[:4096])
        with self._changed:
            self.requests.append(got)
            self._changed.notify_all()
        return got

    def _answer(self, sock: socket.socket, got: Got) -> bool:
        """Return whether the connection stays open."""
        sent = self.script[min(len(self.requests), len(self.script)) - 1](got)
        if sent.status == 0:
            return _end(sock, sent.cut or Cut(0))
        head = {"Transfer-Encoding": "chunked"} if sent.chunked else {"Content-Length": str(len(sent.body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**head, **sent.headers}.items())
        sock.sendall(f"HTTP/1.1 {sent.status} Whatever\r\n{lines}\r\n".encode("latin-1"))
        shown = memoryview(sent.body)[: None if sent.cut is None else max(0, sent.cut.after)]
        if sent.stall is not None:
            sock.sendall(shown[: sent.stall])
            _wait_until_left(sock, self.closing)
            return False
        _send_body(sock, shown, sent)
        return sent.cut is None or _end(sock, sent.cut)


def _wait_until_left(sock: socket.socket, closing: threading.Event) -> None:
    watched = select.poll()
    watched.register(sock, select.POLLRDHUP)
    while not closing.is_set() and not watched.poll(20):
        pass


def _send_body(sock: socket.socket, shown: memoryview, sent: Sent) -> None:
    if not sent.chunked:
        sock.sendall(shown)
        return
    for offset in range(0, len(shown), 10_000):
        part = shown[offset : offset + 10_000]
        sock.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
    sock.sendall(b"" if sent.cut else b"0\r\n\r\n")


def _end(sock: socket.socket, cut: Cut) -> bool:
    if cut.reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    return False


@contextmanager
def serving_files(*script: Handler, upload_cuts: Sequence[Cut] = ()) -> Generator[FileServer]:
    """Run a server on a free port."""
    with FileServer(script, list(upload_cuts)) as server:
        yield server
