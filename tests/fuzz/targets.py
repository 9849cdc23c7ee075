"""What a fuzzer feeds with bytes, and what must then hold: the right value or a `TriverseError`, and no key shown.

Each target takes any bytes at all. `test_fuzz.py` gives them those that were kept and those that Hypothesis thinks of;
`run.py` those that atheris finds by watching which branches they take.
"""

from __future__ import annotations

import gzip
import json
import math
import pickle
import zlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Literal

import attrs
from fuzz.server import Server
from support.exchange_driver import NEW_YEAR, Call, reply, unreachable

from triverse import APIError, BadRequestError, Request, Response, Triverse, TriverseError, UserBalance
from triverse.api import users
from triverse.core.attempt import AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.exchange import exchange
from triverse.core.headers import Headers
from triverse.core.options import Policy
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret
from triverse.sandbox import Sandbox
from triverse.sandbox.http import SandboxRequest

__all__ = ["TARGETS"]

KEY: Final = "tri-0123456789abcdef"
SECRET: Final = Secret(KEY)
WEEK: Final = 7 * 24 * 3600.0


# --- A server's bytes, through the whole sync client ---------------------------------------------


def transport(data: bytes) -> None:
    """The first two bytes say how the rest comes: in pieces of which size, and whether the server then hangs up."""
    piece, hangs_up, says = *(data[:2] if len(data) > 1 else b"\0\0"), data[2:]
    with (
        Server(says, piece, hangs_up=bool(hangs_up % 2)).reached(),
        Triverse(KEY, base_url="http://127.0.0.1:1", max_retries=0) as client,
    ):
        try:
            balance = client.users.balance()
        except TriverseError as error:
            check_error(error)
        else:
            check_balance(balance)
        # Whatever came, it is not taken for the answer to the next request.
        assert client.users.balance() == UserBalance(7.0, 0.0)


# --- Status, headers and body, through the exchange ----------------------------------------------


@attrs.frozen
class Task:
    id: int
    status: Literal["RUNNING", "SUCCESS"]
    tags: tuple[str, ...] = ()
    parent: Task | None = None


STATUSES: Final = (200, 201, 204, 206, 299, 100, 302, 400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 503, 599, 999)
REQUESTS: Final[tuple[Request[object], ...]] = (
    users.balance(),
    users.me(),
    Request("GET", "/thing", object),
    Request("GET", "/thing", dict[str, float]),
    Request("GET", "/thing", list[str | int | None]),
    Request("POST", "/tasks", Task),
)
# How the body is packed, and what the header says of it.
PACKINGS: Final[tuple[tuple[Callable[[bytes], bytes], bytes | None], ...]] = (
    (bytes, None),
    (lambda body: gzip.compress(body, 1, mtime=0), b"gzip"),
    (lambda body: zlib.compress(body, 1), b"deflate"),
    (bytes, b"gzip"),
    (bytes, b"deflate"),
    (bytes, b"br"),
)


def answer(data: bytes) -> None:
    """Three bytes choose the result's type, the status and the packing; lines of headers, an empty one, the body."""
    kind, status, packing, rest = *(data[:3] if len(data) > 2 else bytes(3)), data[3:]
    request, (pack, encoding) = REQUESTS[kind % len(REQUESTS)], PACKINGS[packing % len(PACKINGS)]
    lines, _, body = rest.partition(b"\n\n")
    headers = [*header_lines(lines), *([] if encoding is None else [(b"Content-Encoding", encoding)])]
    sent = Reply(STATUSES[status % len(STATUSES)], Headers(headers), pack(body), SECRET)
    end = Call(request, Policy(max_retries=1)).run([sent, sent])
    check_headers(sent.headers if isinstance(end, TriverseError) else end.headers)
    if isinstance(end, TriverseError):
        check_error(end)
    if request is REQUESTS[0] and packing % len(PACKINGS) <= 2 and is_shallow(body) and not named(lines):
        right = balance_in(body) if sent.status < 300 and sent.status != 100 else None
        assert (None if isinstance(end, TriverseError) else end.data) == right


def header_lines(lines: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values, however odd; not more than come in practice, which would only take time."""
    for line in lines.split(b"\n", 32)[:32]:
        name, _, value = line.partition(b":")
        yield name, value.strip()


def named(lines: bytes) -> bool:
    """Whether the headers themselves speak of a packing."""
    return b"content-encoding" in lines.lower()


def is_shallow(body: bytes) -> bool:
    """Whether the body is surely not nested deeper than parsers go."""
    return body.count(b"[") + body.count(b"{") < 100


def balance_in(body: bytes) -> UserBalance | None:
    """The balance that an answer holds, as anyone would read it who knows the API's documentation; None for none."""
    try:
        said = json.loads(body)
        held = said["data"]
        json.dumps(held, allow_nan=False)
        amounts = [held["balance"], held["frozen"]]
        right = type(said["code"]) is int and said["code"] == 0 and {type(amount) for amount in amounts} <= {int, float}
        return UserBalance(*map(float, amounts)) if right else None
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


# --- Headers that steer --------------------------------------------------------------------------


def headers(data: bytes) -> None:
    """Lines of headers of a 429: how long to wait, by which clock, and what to quote to support."""
    sent = Headers(list(header_lines(data)))
    check_headers(sent)
    flow = exchange(users.balance(), Policy(deadline=None), Runtime(float, lambda: NEW_YEAR, float, str))
    next(flow)
    try:
        attempt = flow.send(Reply(429, sent, b"", SECRET))
    except APIError as error:
        refused = error
    else:
        assert 0 <= attempt.after <= WEEK
        return
    check_error(refused)
    assert refused.retry_after is not None
    assert WEEK < refused.retry_after < math.inf


# --- One outcome after the other -----------------------------------------------------------------


def sequence(data: bytes) -> None:
    """Four bytes choose the request and the policy, and each that follows an outcome."""
    method, retries, deadline, seconds, outcomes = *(data[:4] if len(data) > 3 else bytes(4)), data[4:]
    refreshes, order = bool(method & 4), {"client_order_id": "order-1"} if method & 2 else {}
    request = Request("POST" if method & 1 else "GET", "/tasks", UserBalance, json=order)
    policy = Policy(max_retries=retries % 8, deadline=deadline or None, refreshes_key=refreshes)
    call = Call(request, policy, seconds_per_attempt=seconds / 8)
    came = [outcome(byte) for byte in outcomes[:32]]
    end = call.run([*came, *[reply()] * 10])
    assert isinstance(end, Response) or is_ours(end)
    assert 1 <= len(call.attempts) <= 1 + policy.max_retries + refreshes
    assert policy.deadline is None or len(call.attempts) == 1 or call.now - seconds / 8 < 1000 + policy.deadline
    if not request.idempotent:
        assert not any(map(may_have_arrived, came[: len(call.attempts) - 1]))


def outcome(byte: int) -> Outcome:
    """One of 256 outcomes: what kind in the lower bits, and how long the server asks to wait in the upper ones."""
    kinds = [*FailureKind, *STATUSES]
    kind, wait = kinds[byte % 32 % len(kinds)], byte // 32
    if isinstance(kind, FailureKind):
        return unreachable(kind)
    return reply(kind, headers={"Retry-After": str(4**wait - 1)} if wait else None)


def may_have_arrived(outcome: Outcome) -> bool:
    """Whether the service may have acted on the request. A 401 says that it did not."""
    return not outcome.failure.surely_not_sent if isinstance(outcome, AttemptFailed) else outcome.status != 401


# --- Requests to the sandbox ---------------------------------------------------------------------

SANDBOX: Final = Sandbox()
SANDBOX_KEY: Final = SANDBOX.demo.key
APP: Final = SANDBOX.app()


def sandbox(data: bytes) -> None:
    """The method and the path on two lines, lines of headers, an empty one, and the body, to the ASGI application."""
    head, _, body = data.replace(b"$KEY", SANDBOX_KEY.encode()).partition(b"\n\n")
    method, path, *lines = *head.split(b"\n", 2), *[b""] * 2
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method.decode("latin-1"),
        "path": path.decode("utf-8", "replace"),
        "headers": [(name.lower(), value) for name, value in header_lines(lines[0])],
    }
    SANDBOX._log.clear()  # pyright: ignore[reportPrivateUsage]  # in place of a new sandbox each time
    finish(APP(scope, receive, send))
    assert sent[0]["status"] < 500
    assert isinstance(json.loads(b"".join(message.get("body", b"") for message in sent[1:]) or b"{}"), dict)
    for request in (handled.request for handled in SANDBOX.requests):
        assert not any(SANDBOX_KEY in text for text in (request.method, request.path, *texts(request.headers)))
    with suppress(BadRequestError):
        SandboxRequest.of("POST", "/", (), body).json(dict[str, Any])


def finish(coroutine: Coroutine[object, None, None]) -> None:
    """Run what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError


# --- What must always hold -----------------------------------------------------------------------


def is_ours(error: object) -> bool:
    return type(error).__module__ in {"triverse.core.errors", "triverse.core.api_errors"}


def check_error(error: TriverseError) -> None:
    """One line, no key, and the same after pickling."""
    assert is_ours(error)
    shown = [error, *error.args, *vars(error).values(), *texts(getattr(error, "headers", {}))]
    assert not any(KEY in str(text) for text in shown if not isinstance(text, Headers))
    assert str(error).isprintable()
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))


def texts(mapping: Mapping[str, str]) -> Iterator[str]:
    """All that a mapping holds. Not its repr, in which a tab looks like a t."""
    for item in mapping.items():
        yield from item


def check_headers(sent: Headers) -> None:
    """A mapping, as Python knows it, without the key."""
    kept = sent.redacted(SECRET.redact)
    assert not any(KEY in text for text in texts(kept))
    assert len(list(kept)) == len(kept)
    assert all(isinstance(kept[name], str) for name in kept)
    assert kept.request_id is None or (kept.request_id.isprintable() and len(kept.request_id) <= 128)


def check_balance(balance: UserBalance) -> None:
    """Two finite numbers."""
    assert all(type(amount) is float and math.isfinite(amount) for amount in (balance.balance, balance.frozen))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "transport": transport,
    "answer": answer,
    "headers": headers,
    "sequence": sequence,
    "sandbox": sandbox,
}
"""By the name of each, which is also that of its part of the corpus."""
