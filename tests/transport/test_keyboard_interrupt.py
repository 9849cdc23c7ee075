"""After a KeyboardInterrupt at any moment at which Python may raise it, no permit and no socket is lost."""

# These tests need private names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeAlias

import pytest
from support.clients import KEY
from support.internals import process_states
from support.server import serving

from triverse import Triverse
from triverse.transport.pool import ConnectionPool, IdleConnections, PooledStream
from triverse.transport.semaphore import FairSemaphore, Permit
from triverse.transport.single_connection import SingleConnectionPool, SingleConnectionTransport
from triverse.transport.sync import Transport

Trace: TypeAlias = Callable[[FrameType, str, object], "Trace | None"]

WATCHED: Final[tuple[Callable[..., object], ...]] = (
    FairSemaphore.try_acquire,
    FairSemaphore.wait,
    FairSemaphore.release,
    Transport.attempt,
    ConnectionPool.handle_request,
    IdleConnections[SingleConnectionTransport].take,
    IdleConnections[SingleConnectionTransport].put,
    PooledStream.attach,
    PooledStream.close,
    PooledStream._release,
    SingleConnectionPool.handle_request,
    SingleConnectionPool.close,
    SingleConnectionTransport.close,
)
ENDS_IN_A_CHECK: Final = ("RESUME", "CALL", "PRECALL", "JUMP_BACKWARD")


class CtrlC:
    """Raises KeyboardInterrupt at the n-th check for signals of this thread in the watched functions.

    Python checks when a function begins, after calls of C functions and on backward jumps of loops.
    """

    def __init__(self, moment: int) -> None:
        self.left = moment
        self._last: dict[FrameType, str] = {}

    def __call__(self, frame: FrameType, event: str, _arg: object) -> Trace | None:
        if event == "call":
            if frame.f_back is not None:
                self._last.pop(frame.f_back, None)  # a Python function was called, not a C function
            if frame.f_code not in {function.__code__ for function in WATCHED}:
                return None
            frame.f_trace_opcodes = True
            self._last[frame] = "RESUME"
        elif event == "opcode":
            self._step(frame)
        return self

    def _step(self, frame: FrameType) -> None:
        last, now = self._last.get(frame, ""), dis.opname[frame.f_code.co_code[frame.f_lasti]]
        self._last[frame] = now
        if last.startswith(ENDS_IN_A_CHECK) and (last, now) != (
            "PRECALL",
            "CALL",
        ):  # one call has two opcodes in Python 3.11
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def interrupted(client: Triverse, moment: int) -> bool:
    """Whether the call was interrupted before it ended."""
    before, ctrl_c = sys.gettrace(), CtrlC(moment)
    sys.settrace(ctrl_c)
    try:
        client.users.balance()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return ctrl_c.left <= 0


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="after an exception, it reports no more bytecodes")
# An interrupt inside of the standard library leaves a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_leaves_permits_and_no_sockets() -> None:
    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=5) as client:
        client.users.balance()
        assert not interrupted(client, 1_000_000)  # Python 3.12 begins to report bytecodes with the second trace
        moment = 1
        while interrupted(client, moment):
            assert client.users.balance().total == 125.0, moment
            moment += 1
        gc.collect()
        assert server.settled(still_open=1)
    assert moment > 20


def test_an_interrupt_while_a_permit_is_released_propagates_and_returns_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = FairSemaphore.release

    def interrupted_once(_semaphore: FairSemaphore, _permit: Permit) -> None:
        monkeypatch.setattr(FairSemaphore, "release", release)
        raise KeyboardInterrupt

    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=5) as client:
        monkeypatch.setattr(FairSemaphore, "release", interrupted_once)
        with pytest.raises(KeyboardInterrupt):
            client.users.balance()
        assert client.users.balance().total == 125.0


@pytest.mark.parametrize("handed_over", [False, True])
def test_an_interrupt_in_the_queue_passes_the_permit_on(
    handed_over: bool,  # noqa: FBT001 - two cases of one test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=5) as client:
        (state,) = process_states(client)
        semaphore, holder = state.semaphore, Permit()
        assert semaphore.try_acquire(holder)

        def interrupted(_semaphore: FairSemaphore, permit: Permit, _timeout: float | None) -> bool:
            if handed_over:
                semaphore.release(holder)
                assert permit.held
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(FairSemaphore, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                client.users.balance()
        semaphore.release(holder)
        assert client.users.balance().total == 125.0
