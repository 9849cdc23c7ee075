"""An interrupt by a real signal, soon after a chosen line of the package's code.

Python raises the error of a signal handler only where it checks for signals: when a function begins, after calls and on
backward jumps. Code may rely on that, so the error must not be raised by a trace function, which runs between any two
lines. The trace function starts a timer, and the signal arrives some microseconds later.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import triverse

__all__ = ["interrupt_after_line"]

_PACKAGE = str(Path(triverse.__file__).parent)


def interrupt_after_line(number: int, run: Callable[[], object]) -> bool:
    """Run, with an interrupt after the n-th line of the package in this thread; return whether there are as many."""
    executed, running = 0, True

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal executed
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        executed += event == "line"
        if executed >= number:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_REAL, 1e-6)
        return trace

    def interrupt(_number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code is trace.__code__:  # too early: this error would be raised at the line
                signal.setitimer(signal.ITIMER_REAL, 1e-5)
                return
            frame = frame.f_back
        if running:
            raise KeyboardInterrupt

    tracer, handler = sys.gettrace(), signal.signal(signal.SIGALRM, interrupt)
    sys.settrace(trace)
    try:
        run()
        running = False
    except KeyboardInterrupt:
        running = False
        assert executed >= number
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        sys.settrace(tracer)
    return executed >= number
