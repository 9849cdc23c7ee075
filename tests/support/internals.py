"""The private names of the package that tests use, so that a rename changes one line."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from triverse import AsyncTriverse, Triverse
from triverse.transport.asynchronous import AsyncTransport, LoopState
from triverse.transport.sync import ProcessState, Transport

__all__ = [
    "call_when_woken",
    "idle_connections",
    "loop_states",
    "max_connections_of",
    "permits",
    "process_states",
    "transport_of",
    "waiting_callers",
    "watched_calls",
]


def transport_of(client: Triverse | AsyncTriverse) -> Any:
    """Return the transport of a client."""
    return client._engine.transport


def process_states(client: Triverse) -> list[ProcessState]:
    transport: Transport = transport_of(client)
    return list(transport._states.values())


def loop_states(client: AsyncTriverse) -> list[LoopState]:
    transport: AsyncTransport = transport_of(client)
    return list(transport._states._values.values())


def permits(state: LoopState) -> tuple[int, int]:
    """Return how many permits are free, and how many tasks wait for one."""
    return state.semaphore.value, state.semaphore.statistics().tasks_waiting


def idle_connections(state: LoopState | ProcessState) -> int | None:
    """Return how many of our own connections are idle; None with a user's client."""
    if state.pool is None:
        return None
    return sum(len(connections._idle) for connections in state.pool._idle.values())


def max_connections_of(client: AsyncTriverse) -> int:
    """Return the number of permits in each event loop."""
    transport: AsyncTransport = transport_of(client)
    return transport._max_connections


def waiting_callers(client: Triverse) -> int:
    """Return how many callers of a client and its views wait for the shared requests of others."""
    pending = client._engine.shared.here()._pending
    return sum(len(call.wake_ups) for call in tuple(pending.values()))


def call_when_woken(client: Triverse, function: Callable[[], object]) -> None:
    """Call a function in the leader's thread when it wakes the waiters of the one shared request."""
    (call,) = client._engine.shared.here()._pending.values()
    call.add_waiter(function)


def watched_calls(client: Triverse) -> int:
    """Return how many attempts with a user's client have a deadline timer."""
    watch = transport_of(client)._watch
    return 0 if watch is None else len(watch._calls)
