"""Faults of a server, a proxy or the network, one small script each."""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from support import tls
from support.server import BALANCE, ME, QUOTE, TASK, Peer, Received, Script, answer, envelope
from triverse import (
    APIError,
    AuthenticationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    PermissionDeniedError,
    ServerError,
    ServiceUnavailableError,
    TriverseError,
)

__all__ = ["FAULTS", "Fault", "data_for"]


@dataclass(frozen=True)
class Fault:
    """A fault, and the outcome that a call must have.

    Attributes:
        name: a short description.
        script: what the server does; None if no server accepts the connection.
        outcome: the class of the error; None if the call succeeds nevertheless.
        retried: whether a call tries again.
        context: makes the TLS context of the server; None for plain HTTP.
        stays: whether the server keeps the connection open after a correct response.
        unsent: whether the server cannot have received a request.
    """

    name: str
    script: Script | None
    outcome: type[TriverseError] | None
    retried: bool = False
    context: Callable[[], ssl.SSLContext] | None = None
    stays: bool = False
    unsent: bool = False

    @property
    def hangs(self) -> bool:
        """Whether the call ends only at its deadline."""
        return self.outcome is DeadlineExceededError


def data_for(received: Received) -> dict[str, object]:
    """Return the body that the service would send."""
    known = {"me": ME, "balance": BALANCE, "quote": QUOTE}
    return envelope(known.get(received.path.rpartition("/")[2], TASK))


def once(act: Callable[[Peer, bytes], None]) -> Script:
    """Read a request, pass the correct response to `act`, and close the connection."""

    def play(peer: Peer) -> None:
        received = peer.request()
        if received is not None:
            act(peer, answer(data_for(received)))

    return play


def replies(response: bytes) -> Script:
    """Send this response to each request until the client closes the connection."""

    def play(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(response)

    return play


def replies_once(response: bytes) -> Script:
    """Read a request, send this response, and close the connection."""
    return once(lambda peer, _: peer.send(response))


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def part(share: float) -> Script:
    """Send only the first part of the correct response, and close the connection."""
    return once(lambda peer, right: peer.send(right[: int(len(right) * share)]))


def then(last: Callable[[Peer], None], share: float) -> Script:
    """Send the first part of the correct response, then call `last`."""

    def act(peer: Peer, right: bytes) -> None:
        peer.send(right[: int(len(right) * share)])
        # Time for the client to receive this part before the connection breaks.
        peer.pause(0.02)
        last(peer)

    return once(act)


def rest(peer: Peer) -> None:
    peer.pause()


def half_closed(peer: Peer) -> None:
    peer.half_close()
    peer.pause()


def trickled_body(peer: Peer, right: bytes) -> None:
    peer.send(right[:-60])
    peer.trickle(right[-60:])


def with_body(change: Callable[[bytes], bytes], *lines: str) -> Script:
    """Send the correct response with its body changed. The header lines are these, or else a correct Content-Length."""

    def act(peer: Peer, right: bytes) -> None:
        body = change(right.partition(b"\r\n\r\n")[2])
        header_lines = lines or (f"Content-Length: {len(body)}",)
        peer.send(head(*header_lines) + body)

    return once(act)


@cache
def bomb() -> bytes:
    """Return 256 MiB of zeros, compressed by gzip to 0.25 MiB."""
    squeezer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(256)) + squeezer.flush()


def gzipped(change: Callable[[bytes], bytes]) -> Script:
    def act(peer: Peer, right: bytes) -> None:
        body = change(gzip.compress(right.partition(b"\r\n\r\n")[2]))
        peer.send(head("Content-Encoding: gzip", f"Content-Length: {len(body)}") + body)

    return once(act)


def flood(peer: Peer, _: bytes) -> None:
    while not peer.server.closing.is_set():
        peer.send(head(status="103 Early Hints") * 50)


def endless(peer: Peer, _: bytes) -> None:
    peer.send(head("Connection: close"))
    while True:
        peer.send(b" " * 65536)


def chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


CREDITS = ("balance", "frozen", "cost_credits", "available_credits")


def smuggle(peer: Peer) -> None:
    """Send two responses to each request. The second one must never be taken for the response to the next request."""
    while (received := peer.request()) is not None:
        peer.send(
            answer(data_for(received))
            + answer(envelope({**ME, **QUOTE, **TASK, "email": "evil@example.com", **dict.fromkeys(CREDITS, -1)}))
        )


def alert(peer: Peer, right: bytes) -> None:
    peer.send(right[: len(right) - 20])
    # An unencrypted fatal alert, where TLS 1.3 requires an encrypted record.
    peer.raw_send(b"\x15\x03\x03\x00\x02\x02\x28")


def reset_after_head(peer: Peer, right: bytes) -> None:
    peer.send(right.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    peer.pause(0.02)
    peer.reset()


def slow(peer: Peer) -> None:
    peer.pause(0.05)
    one_answer(peer)


def drops_second(peer: Peer) -> None:
    """Close the connection at its second request. The client cannot know beforehand, so it retries on another one."""
    one_answer(peer)
    peer.request()


def one_answer(peer: Peer) -> None:
    received = peer.request()
    assert received is not None
    peer.send(answer(data_for(received)))


GATEWAY = b"<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
PORTAL = b"<!doctype html><form>Sign in to the hotel's network</form>"

FAULTS: tuple[Fault, ...] = (
    Fault("refused", None, ConnectionFailedError, retried=True, unsent=True),
    Fault("unroutable, no answer", None, DeadlineExceededError),
    Fault("hangs up at once", lambda peer: peer.close(), ConnectionFailedError, retried=True),
    Fault("reset at once", lambda peer: peer.reset(), ConnectionFailedError, retried=True),
    Fault("hangs up after the request", part(0), ConnectionFailedError, retried=True),
    Fault("reset before the headers", once(lambda peer, _: peer.reset()), ConnectionFailedError, retried=True),
    Fault("reset during the headers", then(Peer.reset, 0.1), ConnectionFailedError, retried=True),
    Fault("reset after the headers", once(reset_after_head), ConnectionFailedError, retried=True),
    Fault("reset during the body", then(Peer.reset, 0.9), ConnectionFailedError, retried=True),
    Fault("reset after the body", then(Peer.reset, 1), None),
    Fault("truncated in the status line", part(0.05), ConnectionFailedError, retried=True),
    Fault("truncated in the headers", part(0.2), ConnectionFailedError, retried=True),
    Fault("truncated in the body", part(0.9), ConnectionFailedError, retried=True),
    Fault(
        "half closed in the body",
        then(half_closed, 0.9),
        ConnectionFailedError,
        retried=True,
    ),
    Fault("accepts and never reads", lambda peer: peer.pause(), DeadlineExceededError),
    Fault("never answers", once(lambda peer, _: peer.pause()), DeadlineExceededError),
    Fault("stalls in the headers", then(rest, 0.1), DeadlineExceededError),
    Fault("stalls in the body", then(rest, 0.9), DeadlineExceededError),
    Fault("trickles the headers", once(lambda peer, right: peer.trickle(right)), DeadlineExceededError),
    Fault(
        "trickles the body",
        once(trickled_body),
        DeadlineExceededError,
    ),
    Fault(
        "length is too long", with_body(lambda body: body, "Content-Length: 5000"), ConnectionFailedError, retried=True
    ),
    Fault("length is too short", with_body(lambda body: body, "Content-Length: 10"), InvalidResponseError),
    Fault(
        "two lengths that differ",
        with_body(lambda body: body, "Content-Length: 10", "Content-Length: 11"),
        ConnectionFailedError,
        retried=True,
    ),
    Fault(
        "length is negative", with_body(lambda body: body, "Content-Length: -1"), ConnectionFailedError, retried=True
    ),
    Fault(
        "length is no number", with_body(lambda body: body, "Content-Length: many"), ConnectionFailedError, retried=True
    ),
    Fault(
        "length beyond all numbers",
        with_body(lambda body: body, "Content-Length: " + "9" * 30),
        ConnectionFailedError,
        retried=True,
    ),
    Fault(
        "length and chunks",
        with_body(chunk, "Content-Length: 5", "Transfer-Encoding: chunked"),
        ConnectionFailedError,
        retried=True,
    ),
    Fault("no length, then the end", with_body(lambda body: body, "Connection: close"), None),
    Fault(
        "chunk size is no number",
        with_body(lambda body: b"zz\r\n" + body, "Transfer-Encoding: chunked"),
        ConnectionFailedError,
        retried=True,
    ),
    Fault(
        "chunk size beyond all numbers",
        with_body(lambda body: b"f" * 40 + b"\r\n" + body, "Transfer-Encoding: chunked"),
        ConnectionFailedError,
        retried=True,
    ),
    Fault(
        "chunk is cut short",
        with_body(lambda body: b"ffff\r\n" + body, "Transfer-Encoding: chunked"),
        ConnectionFailedError,
        retried=True,
    ),
    Fault("last chunk is missing", with_body(chunk, "Transfer-Encoding: chunked"), ConnectionFailedError, retried=True),
    Fault(
        "unknown transfer encoding",
        with_body(lambda body: body, "Transfer-Encoding: magic"),
        ConnectionFailedError,
        retried=True,
    ),
    Fault("good gzip", gzipped(lambda body: body), None),
    Fault("damaged gzip", gzipped(lambda body: body[:20] + b"\x00\xff" + body[22:]), InvalidResponseError),
    Fault("truncated gzip", gzipped(lambda body: body[:-12]), InvalidResponseError),
    Fault(
        "gzip that is none",
        with_body(lambda body: body, "Content-Encoding: gzip", "Connection: close"),
        InvalidResponseError,
    ),
    Fault(
        "encoding that was not asked for",
        with_body(lambda body: body, "Content-Encoding: br", "Connection: close"),
        InvalidResponseError,
    ),
    Fault("gzip bomb", gzipped(lambda _: bomb()), InvalidResponseError),
    Fault("body without end", once(endless), InvalidResponseError),
    Fault("one header of a megabyte", replies(head("X-Big: " + "x" * (1 << 20))), ConnectionFailedError, retried=True),
    Fault(
        "fifty thousand headers",
        replies(head(*[f"X-{n}: x" for n in range(50_000)])),
        ConnectionFailedError,
        retried=True,
    ),
    Fault("header without a colon", replies(head("this is no header")), ConnectionFailedError, retried=True),
    Fault("header with control characters", replies(head("X-Bad: a\x00b\x07")), ConnectionFailedError, retried=True),
    Fault("header name with a space", replies(head("X Bad: yes")), ConnectionFailedError, retried=True),
    Fault(
        "headers in another encoding",
        with_body(lambda body: body, "X-Bad: \xff\xfe", "X-Request-Id: \xe9\xe8", "Connection: close"),
        None,
    ),
    Fault(
        "injected header lines",
        with_body(lambda body: body, "X-Id: 1\nSet-Cookie: evil=1\n X: 2", "Connection: close"),
        None,
    ),
    Fault("not HTTP at all", replies_once(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), ConnectionFailedError, retried=True),
    Fault("HTTP/0.9", replies_once(b'{"code": 0}'), ConnectionFailedError, retried=True),
    Fault("HTTP/3.7", replies(b"HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n"), InvalidResponseError),
    Fault("status that is no number", replies(head(status="abc OK")), ConnectionFailedError, retried=True),
    Fault("status 999", replies(head("Content-Length: 0", status="999 What")), APIError),
    Fault(
        "switches protocols",
        replies_once(head("Upgrade: magic", "Connection: Upgrade", status="101 Switching Protocols")),
        ConnectionFailedError,
        retried=True,
    ),
    Fault(
        "informational answers, then the right one",
        once(lambda peer, right: peer.send(head(status="103 Early Hints") * 20 + right)),
        None,
    ),
    Fault("a flood of informational answers", once(flood), DeadlineExceededError),
    Fault("a second answer smuggled in", smuggle, None),
    Fault("empty answer", replies(head("Content-Length: 0")), InvalidResponseError),
    Fault("no content", replies(head(status="204 No Content")), InvalidResponseError),
    Fault("HTML with status 200", replies(answer(PORTAL, headers={"Content-Type": "text/html"})), InvalidResponseError),
    Fault("HTML of a gateway", replies(answer(GATEWAY, 502)), ServerError, retried=True),
    Fault("empty 503", replies(answer(b"", 503)), ServiceUnavailableError, retried=True),
    Fault("403 of a firewall", replies(answer(b"<h1>Blocked</h1>", 403)), PermissionDeniedError),
    Fault(
        "401 with a challenge",
        replies(answer(b"", 401, {"WWW-Authenticate": "Basic realm=x"})),
        AuthenticationError,
        retried=True,
    ),
    Fault("407 of a proxy", replies(answer(b"", 407, {"Proxy-Authenticate": "Basic"})), APIError),
    Fault(
        "redirect to elsewhere", replies(answer(b"", 302, {"Location": "http://127.0.0.1:9/api/v1/users/me"})), APIError
    ),
    Fault("redirect in a circle", replies(answer(b"", 301, {"Location": "/api/v1/users/me"})), APIError),
    Fault("JSON nested too deep", replies(answer(b"[" * 200_000)), InvalidResponseError),
    Fault("JSON that is no UTF-8", replies(answer(b'{"code": 0, "data": "\xff\xfe"}')), InvalidResponseError),
    Fault(
        "number of a million digits",
        replies(answer(b'{"code": 0, "data": {"balance": ' + b"9" * 1_000_000 + b', "frozen": 0}}')),
        InvalidResponseError,
    ),
    Fault("hangs up after each answer", one_answer, None),
    Fault("drops the connection at its second request", drops_second, None, retried=True, stays=True),
    Fault("picks up slowly", slow, None),
    Fault("TLS: good", one_answer, None, context=tls.server_context),
    Fault("TLS: another name", one_answer, ConnectionFailedError, retried=True, context=tls.wrong_name, unsent=True),
    Fault("TLS: expired", one_answer, ConnectionFailedError, retried=True, context=tls.expired, unsent=True),
    Fault("TLS: self-signed", one_answer, ConnectionFailedError, retried=True, context=tls.self_signed, unsent=True),
    Fault("TLS: alert in the body", once(alert), ConnectionFailedError, retried=True, context=tls.server_context),
    Fault("TLS: truncated in the body", part(0.9), ConnectionFailedError, retried=True, context=tls.server_context),
    Fault(
        "TLS: trickles the body",
        once(lambda peer, right: peer.trickle(right)),
        DeadlineExceededError,
        context=tls.server_context,
    ),
)
