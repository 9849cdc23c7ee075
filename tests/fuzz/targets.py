"""Fuzz targets. Each must return the right value or raise a `TriverseError`, and must not show the key.

Each target accepts any bytes. `test_fuzz.py` passes the corpus and bytes that Hypothesis generates; `run.py` passes
bytes that atheris generates, guided by the branches that they reach.
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
    """Two bytes choose the size of the pieces, and whether the server then closes the connection. The rest is sent."""
    piece, hangs_up, first = *(data[:2] if len(data) > 1 else b"\0\0"), data[2:]
    with (
        Server(first, piece, hangs_up=bool(hangs_up % 2)).reached(),
        Triverse(KEY, base_url="http://127.0.0.1:1", max_retries=0) as client,
    ):
        try:
            balance = client.users.balance()
        except TriverseError as error:
            check_error(error)
        else:
            check_balance(balance)
        # No byte that was received is taken for the response to the next request.
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
# How the body is compressed, and the value of its Content-Encoding.
PACKINGS: Final[tuple[tuple[Callable[[bytes], bytes], bytes | None], ...]] = (
    (bytes, None),
    (lambda body: gzip.compress(body, 1, mtime=0), b"gzip"),
    (lambda body: zlib.compress(body, 1), b"deflate"),
    (bytes, b"gzip"),
    (bytes, b"deflate"),
    (bytes, b"br"),
)


def answer(data: bytes) -> None:
    """Three bytes choose the type, the status and the compression. The rest: header lines, an empty line, the body."""
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
    """Yield names and values, at most 32: more of them only take time."""
    for line in lines.split(b"\n", 32)[:32]:
        name, _, value = line.partition(b":")
        yield name, value.strip()


def named(lines: bytes) -> bool:
    """Whether the headers contain a Content-Encoding."""
    return b"content-encoding" in lines.lower()


def is_shallow(body: bytes) -> bool:
    """Whether the body is certainly not nested deeper than parsers allow."""
    return body.count(b"[") + body.count(b"{") < 100


def balance_in(body: bytes) -> UserBalance | None:
    """Return the balance in a body, read according to the API's documentation only; None if there is none."""
    try:
        envelope = json.loads(body)
        held = envelope["data"]
        json.dumps(held, allow_nan=False)
        amounts = [held["balance"], held["frozen"]]
        right = (
            type(envelope["code"]) is int
            and envelope["code"] == 0
            and {type(amount) for amount in amounts} <= {int, float}
        )
        return UserBalance(*map(float, amounts)) if right else None
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


# --- Headers that control retries --------------------------------------------------------------------------


def headers(data: bytes) -> None:
    """The bytes are the header lines of a 429: Retry-After, Date, X-Request-Id and others."""
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
    """Four bytes choose the request and the policy. Each further byte chooses an outcome."""
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
    """Return one of 256 outcomes: the lower bits choose the kind, the upper ones the Retry-After."""
    kinds = [*FailureKind, *STATUSES]
    kind, wait = kinds[byte % 32 % len(kinds)], byte // 32
    if isinstance(kind, FailureKind):
        return unreachable(kind)
    return reply(kind, headers={"Retry-After": str(4**wait - 1)} if wait else None)


def may_have_arrived(outcome: Outcome) -> bool:
    """Whether the service may have acted on the request. With a 401 it did not."""
    return not outcome.failure.surely_not_sent if isinstance(outcome, AttemptFailed) else outcome.status != 401


# --- Requests to the sandbox ---------------------------------------------------------------------

SANDBOX: Final = Sandbox()
SANDBOX_KEY: Final = SANDBOX.demo.key
APP: Final = SANDBOX.app()


def sandbox(data: bytes) -> None:
    """The bytes are the method, the path, header lines, an empty line and a body, for the ASGI application."""
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
    SANDBOX._log.clear()  # pyright: ignore[reportPrivateUsage]  # faster than a new sandbox each time
    finish(APP(scope, receive, send))
    assert sent[0]["status"] < 500
    assert isinstance(json.loads(b"".join(message.get("body", b"") for message in sent[1:]) or b"{}"), dict)
    for request in (handled.request for handled in SANDBOX.requests):
        assert not any(SANDBOX_KEY in text for text in (request.method, request.path, *texts(request.headers)))
    with suppress(BadRequestError):
        SandboxRequest.of("POST", "/", (), body).json(dict[str, Any])


def finish(coroutine: Coroutine[object, None, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError


# --- Guarantees that always hold -----------------------------------------------------------------------


def is_ours(error: object) -> bool:
    return type(error).__module__ in {"triverse.core.errors", "triverse.core.api_errors"}


def check_error(error: TriverseError) -> None:
    """Check that an error is one line, shows no key, and is the same after pickling."""
    assert is_ours(error)
    shown = [error, *error.args, *vars(error).values(), *texts(getattr(error, "headers", {}))]
    assert not any(KEY in str(text) for text in shown if not isinstance(text, Headers))
    assert str(error).isprintable()
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))


def texts(mapping: Mapping[str, str]) -> Iterator[str]:
    """Yield all texts in a mapping. Its repr would not do: a tab in it ends in a `t`, which a key may contain."""
    for item in mapping.items():
        yield from item


def check_headers(sent: Headers) -> None:
    """Check that headers behave as a mapping, and do not show the key."""
    kept = sent.redacted(SECRET.redact)
    assert not any(KEY in text for text in texts(kept))
    assert len(list(kept)) == len(kept)
    assert all(isinstance(kept[name], str) for name in kept)
    assert kept.request_id is None or (kept.request_id.isprintable() and len(kept.request_id) <= 128)


def check_balance(balance: UserBalance) -> None:
    """Check that both amounts are finite numbers."""
    assert all(type(amount) is float and math.isfinite(amount) for amount in (balance.balance, balance.frozen))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "transport": transport,
    "answer": answer,
    "headers": headers,
    "sequence": sequence,
    "sandbox": sandbox,
}
"""The targets by name. The folder of each in the corpus has the same name."""
