"""Scenarios of the cancellation tests: the call that is cancelled, and the server that it calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

import anyio
import pytest
from anyio.lowlevel import checkpoint

from support.cancellation import CancelResult
from support.clients import KEY
from support.files import PNG
from support.server import BALANCE, Peer, Script, answer, envelope
from triverse import AsyncTriverse, DeadlineExceededError, InvalidResponseError, UserBalance

__all__ = [
    "RIGHT",
    "SCENARIOS",
    "SCRIPTS",
    "TASK_SCENARIOS",
    "Call",
    "Scenario",
    "closing",
    "first_call",
    "silent_at_first",
]

RIGHT = UserBalance(100.0, 25.0)
WHOLE = answer(envelope(BALANCE))

Call: TypeAlias = Callable[[], Coroutine[object, object, UserBalance]]
Cut: TypeAlias = Callable[[Coroutine[object, object, object]], Awaitable[CancelResult[object]]]
Scenario: TypeAlias = Callable[[AsyncTriverse, Cut], Awaitable[CancelResult[object]]]


async def first_call(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    return await cut(client.users.balance())


async def second_call(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    await client.users.balance()
    return await first_call(client, cut)


async def call_with_an_async_key(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    async def key() -> str:
        await checkpoint()
        return KEY

    return await first_call(client.with_options(api_key=key), cut)


async def call_with_others_behind(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel a call that holds the only permit: each waiting call gets the permit and succeeds."""
    return await _among(cut, client.users.balance, first=True)


async def call_with_others_before(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel a call that waits for a permit: the other calls still succeed."""
    return await _among(cut, client.users.balance, first=False)


async def call_that_others_share(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel the leader of a shared request: one of the other callers sends the request again."""
    return await _among(cut, lambda: client.users.balance(max_age=60), first=True)


async def call_that_shares_anothers(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    return await _among(cut, lambda: client.users.balance(max_age=60), first=False)


async def _among(cut: Cut, call: Call, *, first: bool) -> CancelResult[object]:
    """Cancel one call. The others, which began after or before it, succeed."""
    answers: list[UserBalance] = []
    endings: list[CancelResult[object]] = []

    async def other(turns: int) -> None:
        for _ in range(turns):
            await checkpoint()
        answers.append(await call())

    async with anyio.create_task_group() as others:
        for _ in range(3):
            others.start_soon(other, 2 if first else 0)
        if not first:
            await checkpoint()
        endings.append(await cut(call()))
    assert answers == [RIGHT] * 3
    return endings[0]


async def balances_of_many(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel the iteration while requests run in the background."""
    keys = {str(number): f"tv-another-key-{number}" for number in range(6)}

    async def all_of_them() -> UserBalance:
        accounts = [account.balance async for account in client.balances(keys)]
        assert accounts == [RIGHT] * 6
        return RIGHT

    return await cut(all_of_them())


async def wait_for_more_credits(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel a wait for credits: at its first poll, or in the pause before the next one."""

    async def wait() -> UserBalance:
        with pytest.raises(DeadlineExceededError):
            await client.users.wait_for_balance(1000, interval=0.004, timeout=0.03)
        return RIGHT

    return await cut(wait())


async def quote_of_a_task(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    async def quote() -> UserBalance:
        assert (await client.tasks.quote("text-to-model")).affordable
        return RIGHT

    return await cut(quote())


async def creation_of_a_task(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel a creation that first uploads an image."""

    async def create() -> UserBalance:
        await client.tasks.image_to_model(PNG)
        return RIGHT

    return await cut(create())


async def wait_for_a_task(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel a wait: in the pause before its first poll, at a poll, or in its async callback."""
    task = await client.tasks.text_to_model("a brass helmet")

    async def wait() -> UserBalance:
        await client.tasks.wait(task, on_update=lambda _: checkpoint())
        return RIGHT

    return await cut(wait())


async def call_of_a_client_that_closes(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    endings: list[CancelResult[object]] = []

    async def close() -> None:
        for _ in range(3):
            await checkpoint()
        await client.aclose()

    async with anyio.create_task_group() as others:
        others.start_soon(close)
        endings.append(await cut(client.users.balance()))
    return endings[0]


async def closing(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    async def close() -> UserBalance:
        await client.aclose()
        return RIGHT

    async with anyio.create_task_group() as calls:
        for _ in range(3):
            calls.start_soon(client.users.balance)
    return await cut(close())


async def call_that_is_refused(client: AsyncTriverse, cut: Cut) -> CancelResult[object]:
    """Cancel a call that otherwise ends in an error."""

    async def refused() -> UserBalance:
        with pytest.raises(InvalidResponseError):
            await client.users.me()
        return RIGHT

    return await cut(refused())


def fails_first(peer: Peer) -> None:
    """Answer the first request of each connection with a 503."""
    peer.request()
    peer.send(answer({"code": 5003, "message": "down"}, 503))
    while peer.request() is not None:
        peer.send(WHOLE)


def hangs_up_first(peer: Peer) -> None:
    """Send an incomplete response on each connection with an odd number."""
    while peer.request() is not None:
        if peer.number % 2:
            peer.send(WHOLE[:-9])
            return
        peer.send(WHOLE)


def replies_twice(peer: Peer) -> None:
    while peer.request() is not None:
        peer.send(WHOLE + WHOLE)


def never_ends(peer: Peer) -> None:
    while (received := peer.request()) is not None:
        if received.path.endswith("/balance"):
            peer.send(WHOLE)
            continue
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            peer.send(bytes(1 << 16))


def silent_at_first(peer: Peer) -> None:
    """Send no response on the first connection."""
    while peer.request() is not None:
        if peer.number == 1:
            peer.pause()
        else:
            peer.send(WHOLE)


TASK_SCENARIOS: tuple[Scenario, ...] = (quote_of_a_task, creation_of_a_task, wait_for_a_task)
# With each scenario, the client's `max_connections`.
SCENARIOS: tuple[tuple[Scenario, int], ...] = (
    (first_call, 4),
    (second_call, 4),
    (call_with_others_behind, 1),
    (balances_of_many, 2),
    (call_with_an_async_key, 4),
    (call_with_others_before, 1),
    (call_that_others_share, 4),
    (call_that_shares_anothers, 4),
    (wait_for_more_credits, 4),
    *((scenario, 4) for scenario in TASK_SCENARIOS),
    (call_of_a_client_that_closes, 4),
)
SCRIPTS: tuple[tuple[Script, Scenario], ...] = (
    (fails_first, first_call),
    (hangs_up_first, first_call),
    (replies_twice, second_call),
    (never_ends, call_that_is_refused),
)
