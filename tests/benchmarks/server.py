"""A service that responds at once or after a delay. It sends prepared bytes, and reports its CPU time.

It answers the path of each contender with the body that the contender expects. It runs on any Python, without packages.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from typing import Final

ANSWERS: Final[dict[bytes, object]] = {
    b"/api/v1/users/balance": {"code": 0, "message": "success", "data": {"balance": 1234.5, "frozen": 10.0}},
    b"/v1/models/m": {"id": "m", "object": "model", "created": 1, "owned_by": "x"},
    b"/v1/balance": {
        "object": "balance",
        "livemode": False,
        "available": [{"amount": 1234, "currency": "usd", "source_types": {"card": 1234}}],
        "pending": [{"amount": 10, "currency": "usd", "source_types": {"card": 10}}],
    },
    b"/v1/user/subscription": {
        "tier": "free",
        "character_count": 10,
        "character_limit": 1234,
        "max_character_limit_extension": None,
        "can_extend_character_limit": False,
        "allowed_to_extend_character_limit": False,
        "voice_slots_used": 1,
        "professional_voice_slots_used": 0,
        "voice_limit": 3,
        "voice_add_edit_counter": 0,
        "professional_voice_limit": 0,
        "can_extend_voice_limit": False,
        "can_use_instant_voice_cloning": False,
        "can_use_professional_voice_cloning": False,
        "status": "free",
    },
    b"/v3/account/balance": {"code": 0, "data": {"balance": 1234.5, "frozen": 10.0}},
    b"/codes_of_conduct/c": {"key": "c", "name": "c", "url": "https://localhost/c", "html_url": None},
}


def _bytes(answer: object) -> bytes:
    body = json.dumps(answer).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 0123456789\r\ncontent-length: {len(body)}"
    )
    return head.encode() + b"\r\n\r\n" + body


READY: Final = {path: _bytes(answer) for path, answer in ANSWERS.items()}
MISSING: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class Service(asyncio.Protocol):
    """One connection. Requests have no body."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1].partition(b"?")[0]
            answer = _bytes(time.process_time()) if path == b"/cpu" else READY.get(path, MISSING)
            self._last = b"\r\nconnection: close" in request.lower()
            if self._delay and path != b"/cpu":
                asyncio.get_running_loop().call_later(self._delay, self._write, answer)
            else:
                self._write(answer)

    def _write(self, answer: bytes) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.write(answer)
            if self._last:
                self._transport.close()


UPLOADED: Final = _bytes({"code": 0, "message": "success", "id": "x", "data": {"file_key": "tasks/x"}})
FILE_SIZE: Final = 300_000_000
FILE_PART: Final = bytes(range(256)) * 1024
FILE_HEAD: Final = (
    f'HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\netag: "x"\r\ncontent-length: {FILE_SIZE}\r\n\r\n'
).encode()


class FileService(asyncio.Protocol):
    """One connection: sends a file for each GET, and drops what other requests send."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._head = b""
        self._body_left = 0
        self._chunked = False
        self._file_left = 0

    def data_received(self, data: bytes) -> None:
        """Answer a request when it is complete."""
        if self._chunked:
            self._head = self._head[-4:] + data[-5:]
            self._end_body(ended=self._head.endswith(b"0\r\n\r\n"))
        elif self._body_left:
            self._body_left -= len(data)
            self._end_body(ended=self._body_left <= 0)
        else:
            self._read_head(data)

    def _read_head(self, data: bytes) -> None:
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = b""
        if head.startswith(b"GET"):
            self._file_left = FILE_SIZE
            self._transport.write(FILE_HEAD)
            self._send_file()
            return
        head = head.lower()
        self._chunked = b"transfer-encoding: chunked" in head
        if not self._chunked:
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            self._body_left = length - len(body)
            self._end_body(ended=self._body_left <= 0)

    def _end_body(self, *, ended: bool) -> None:
        if ended:
            self._head, self._body_left, self._chunked = b"", 0, False
            self._transport.write(UPLOADED)

    def _send_file(self) -> None:
        self._paused = False
        while self._file_left and not self._paused:
            part = FILE_PART[: self._file_left]
            self._file_left -= len(part)
            self._transport.write(part)

    def pause_writing(self) -> None:
        """Pause until the client has read enough."""
        self._paused = True

    def resume_writing(self) -> None:
        """Continue to send."""
        self._send_file()


async def main(core: int, certificate: str) -> None:
    """Serve on several ports, and print them as JSON."""
    os.sched_setaffinity(0, {core})
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ports: dict[str, int] = {}
    for name, delay, tls in (
        ("plain", 0.0, None),
        ("slow", 0.02, None),
        ("tls", 0.0, context),
        ("slow_tls", 0.02, context),
    ):
        server = await loop.create_server(lambda delay=delay: Service(delay), "127.0.0.1", 0, ssl=tls, backlog=4096)
        ports[name] = server.sockets[0].getsockname()[1]
    server = await loop.create_server(FileService, "127.0.0.1", 0)
    ports["files"] = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
