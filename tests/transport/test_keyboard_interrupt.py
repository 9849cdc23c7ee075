"""Ctrl-C at every moment when Python may notice it: the wire's permits are all there afterwards."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeAlias

import pytest
from support.clients import KEY
from support.server import serving

from triverse import Triverse
from triverse.transport.semaphore import Gate, Turn
from triverse.transport.sync import Wire

Trace: TypeAlias = Callable[[FrameType, str, object], "Trace | None"]

WATCHED: Final = (Gate.enter, Gate.wait, Gate.leave, Wire.attempt)
ENDS_IN_A_LOOK: Final = ("RESUME", "CALL", "PRECALL", "JUMP_BACKWARD")


class CtrlC:
    """Comes at the n-th moment of this thread between the line and the wire.

    Python looks for it where a function begins, after calls of C functions and before it goes round a loop.
    """

    def __init__(self, moment: int) -> None:
        self.left = moment
        self._last: dict[FrameType, str] = {}

    def __call__(self, frame: FrameType, event: str, _arg: object) -> Trace | None:
        if event == "call":
            if frame.f_back is not None:
                self._last.pop(frame.f_back, None)  # what is called is no C function
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
        if last.startswith(ENDS_IN_A_LOOK) and (last, now) != ("PRECALL", "CALL"):  # two halves of one
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def interrupted(client: Triverse, moment: int) -> bool:
    """Whether the call was interrupted, and not over before."""
    before, ctrl_c = sys.gettrace(), CtrlC(moment)
    sys.settrace(ctrl_c)
    try:
        client.users.balance()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return ctrl_c.left <= 0


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="after an exception, it tells of bytecodes no more")
def test_ctrl_c_at_any_moment_of_a_call_leaves_its_permit_to_others() -> None:
    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=5) as client:
        client.users.balance()
        assert not interrupted(client, 1_000_000)  # Python 3.12 begins to tell of bytecodes with the second trace
        moment = 1
        while interrupted(client, moment):
            assert client.users.balance().total == 125.0, moment
            moment += 1
    assert moment > 4


def test_ctrl_c_just_as_the_permit_is_given_back_passes_through_and_the_permit_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave = Gate.leave

    def interrupted_once(_gate: Gate, _turn: Turn) -> None:
        monkeypatch.setattr(Gate, "leave", leave)
        raise KeyboardInterrupt

    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=5) as client:
        monkeypatch.setattr(Gate, "leave", interrupted_once)
        with pytest.raises(KeyboardInterrupt):
            client.users.balance()
        assert client.users.balance().total == 125.0


@pytest.mark.parametrize("after", [False, True])
def test_ctrl_c_in_line_gives_the_permit_on_whether_or_not_it_had_come(
    after: bool,  # noqa: FBT001 - two cases of one test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1, deadline=5) as client:
        gate, holder = client._wire._gate, Turn()  # pyright: ignore[reportPrivateUsage]  # a missing permit shows late
        assert gate.enter(holder)

        def interrupted(_gate: Gate, turn: Turn, _timeout: float | None) -> bool:
            if after:
                gate.leave(holder)
                assert turn.given
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Gate, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                client.users.balance()
        gate.leave(holder)
        assert (gate._free, len(gate._waiting)) == (1, 0)  # pyright: ignore[reportPrivateUsage]  # as above
        assert client.users.balance().total == 125.0
