"""Faults of servers and the network in transfers, with the expected outcomes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from support.files import glb
from support.server import UPLOADED, Peer, Received, answer, envelope

__all__ = ["FAULTS", "FILE", "TIMEOUT", "Fault"]

Act: TypeAlias = Callable[[Peer, Received], bool]

FILE = glb(200_000)
TIMEOUT = 0.2
HALF = len(FILE) // 2
BROKEN, INVALID, EXPIRED = "ConnectionFailedError", "InvalidResponseError", "DeadlineExceededError"
ETAG, CLOSE = {"ETag": '"one"'}, {"Connection": "close"}


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: used in the ids of tests.
        act: handles each request on the server; returns whether the connection stays open.
        download: the class of the error of a download or a stream; "" for success; None if the fault is not for these.
        upload: the same for an upload.
        attempts: requests that are made, with one retry allowed; 0 if that varies.
        hangs: only the timeout ends it.
        whole: whether the server reads the body of an upload.
    """

    name: str
    act: Act
    download: str | None = None
    upload: str | None = None
    attempts: int = 1
    hangs: bool = False
    whole: bool = True


def sends(data: bytes, *, goes_on: bool = False, resets: bool = False) -> Act:
    def act(peer: Peer, _received: Received) -> bool:
        peer.send(data)
        if resets:
            peer.reset()
        return goes_on

    return act


def file(body: bytes = FILE, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    return answer(body, status, {"Content-Type": "model/gltf-binary", **(headers or {})})


def cut(size: int, headers: dict[str, str] | None = None) -> bytes:
    head, _, body = file(headers=headers).partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[:size]


def stalls(data: bytes = b"") -> Act:
    def act(peer: Peer, _received: Received) -> bool:
        peer.send(data)
        peer.pause()
        return False

    return act


def reads_nothing(peer: Peer, _received: Received) -> bool:
    peer.pause(TIMEOUT * 2)
    # The server notices that the client closed the connection only after it has read everything.
    for _ in peer.drained():
        pass
    return False


def refuses_early(peer: Peer, _received: Received) -> bool:
    peer.send(answer(b"", 503, CLOSE))
    # Closing at once would reset the connection, and the client might not receive the response.
    for _ in peer.drained():
        pass
    return False


def trickles(peer: Peer, _received: Received) -> bool:
    peer.send(cut(1000))
    peer.trickle(FILE[1000:])
    return False


def continues(step: int, moved: int = 0) -> Act:
    """Break each response after `step` bytes. A requested range begins `moved` bytes too late."""

    def act(peer: Peer, received: Received) -> bool:
        start = int(received.header("Range").removeprefix("bytes=").removesuffix("-") or 0)
        rest = FILE[start:]
        extra = {} if start == 0 else {"Content-Range": f"bytes {start + moved}-{len(FILE) - 1}/{len(FILE)}"}
        whole = answer(rest, 206 if start else 200, {**ETAG, **extra})
        head, _, body = whole.partition(b"\r\n\r\n")
        peer.send(head + b"\r\n\r\n" + body[:step])
        return False

    return act


def redirects(location: str | None) -> Act:
    return sends(answer(b"", 302, {} if location is None else {"Location": location}), goes_on=True)


def chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


LONG_HEAD = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000
NO_LENGTH = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
ENVELOPE = json.dumps({"code": 1005, "message": "not found"}).encode()
STORED = answer(envelope(UPLOADED))

FAULTS = [
    Fault("no response", sends(b""), BROKEN, BROKEN, 2),
    Fault("reset", sends(b"", resets=True), BROKEN, BROKEN, 2),
    Fault("garbage", sends(b"\x00\x01\r\n\r\n"), BROKEN, BROKEN, 2),
    Fault("half a head", sends(b"HTTP/1.1 200 OK\r\nContent-Le"), BROKEN, BROKEN, 2),
    Fault("head without end", sends(LONG_HEAD), BROKEN, BROKEN, 2),
    Fault("two lengths", sends(file().replace(b"\r\n\r\n", b"\r\nContent-Length: 7\r\n\r\n", 1)), BROKEN, BROKEN, 2),
    Fault("cut without ETag", sends(cut(HALF)), BROKEN, None, 0),
    Fault("reset without ETag", sends(cut(HALF), resets=True), BROKEN, None, 0),
    Fault("cut, weak ETag", sends(cut(HALF, {"ETag": 'W/"one"'})), BROKEN, None, 0),
    Fault("cut again and again", continues(40_000), "", None, 5),
    Fault("cut, continued at a wrong byte", continues(40_000, moved=1), BROKEN, None, 0),
    Fault("cut within the first bytes", sends(cut(10)), BROKEN, None, 2),
    Fault("chunked, cut", sends(chunked(FILE[:HALF])), BROKEN, None, 0),
    Fault("chunked, wrong size", sends(chunked(FILE[:HALF]) + b"what\r\n"), BROKEN, None, 0),
    Fault("chunked, GLB too short", sends(chunked(FILE[:HALF], b"") + b"\r\n"), BROKEN, None, 0),
    Fault("no length, GLB too short", sends(NO_LENGTH + FILE[:HALF]), BROKEN, None, 0),
    Fault("no length, GLB ends in its header", sends(NO_LENGTH + FILE[:9]), BROKEN, None, 2),
    Fault("no length, GLB too long", sends(NO_LENGTH + FILE + b"more"), INVALID),
    Fault("no length", sends(NO_LENGTH + FILE), ""),
    Fault("bytes after the end", sends(file() + b"HTTP/1.1 200 OK\r\n\r\n"), ""),
    Fault("closed after the end", sends(file()), ""),
    Fault("GLB shorter than its header", sends(file(FILE[:HALF]), goes_on=True), INVALID),
    Fault("GLB longer than its header", sends(file(FILE + b"more"), goes_on=True), INVALID),
    Fault("gzip", sends(file(gzip.compress(FILE), headers={"Content-Encoding": "gzip"}), goes_on=True), INVALID),
    Fault("page", sends(file(b"<!DOCTYPE html><html>" + bytes(5000)), goes_on=True), INVALID, INVALID),
    Fault("envelope", sends(file(ENVELOPE), goes_on=True), INVALID),
    Fault("nothing", sends(file(b""), goes_on=True), INVALID, INVALID),
    Fault("206 without a question", sends(file(status=206), goes_on=True), INVALID),
    Fault("304", sends(b"HTTP/1.1 304 Same\r\n\r\n", goes_on=True), "APIError", "APIError"),
    Fault("401", sends(answer(ENVELOPE, 401), goes_on=True), "AuthenticationError", "AuthenticationError"),
    Fault(
        "403 of storage",
        sends(answer(b"<Error/>", 403), goes_on=True),
        "PermissionDeniedError",
        "PermissionDeniedError",
    ),
    Fault("404", sends(answer(ENVELOPE, 404), goes_on=True), "NotFoundError", "NotFoundError"),
    Fault("500", sends(answer(b"", 500), goes_on=True), "ServerError", "ServerError", 2),
    Fault("503, closed", sends(answer(b"", 503, CLOSE)), "ServiceUnavailableError", "ServiceUnavailableError", 2),
    Fault(
        "429",
        sends(answer(b"", 429, {"Retry-After": "3600"}), goes_on=True),
        "RateLimitError",
        "RateLimitError",
        0,
        hangs=True,
    ),
    Fault("redirect to nowhere", redirects(None), INVALID, "APIError"),
    Fault("redirect to ftp", redirects("ftp://127.0.0.1/x"), INVALID, "APIError"),
    Fault("redirect in a circle", redirects("/x"), INVALID, "APIError", 0),
    Fault("redirect to a closed port", redirects("http://127.0.0.1:1/x"), BROKEN, "APIError", 0),
    Fault("silence", stalls(), EXPIRED, EXPIRED, hangs=True),
    Fault("silence in the head", stalls(b"HTTP/1.1 200 OK\r\n"), EXPIRED, EXPIRED, hangs=True),
    Fault("silence in the body", stalls(cut(HALF)), EXPIRED, None, hangs=True),
    Fault("a byte now and then", trickles, EXPIRED, None, hangs=True),
    Fault("body not read", reads_nothing, None, EXPIRED, hangs=True, whole=False),
    Fault("refused before the body", refuses_early, None, "ServiceUnavailableError", 0, whole=False),
    Fault("wrong type", sends(answer(envelope({"file_key": 5})), goes_on=True), None, INVALID),
    Fault("no data", sends(answer({"code": 0, "message": "success"}), goes_on=True), None, INVALID),
    Fault("answer cut", sends(STORED[:-3]), None, BROKEN, 2),
    Fault("closed after the answer", sends(STORED), None, ""),
]
