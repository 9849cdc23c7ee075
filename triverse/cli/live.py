"""A view that fills the terminal until `q`. However it ends, the terminal is as it was before.

Windows has no termios; commands print plain lines there, as they do where the output is not a terminal.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeAlias

import anyio
from rich.console import Console, RenderableType
from rich.live import Live

from triverse.core.errors import TriverseError

__all__ = ["show_live"]

Poll: TypeAlias = Callable[[], Awaitable[None]]

# How often the view is drawn, and the keyboard and the size of the terminal are read.
_FRAME_SECONDS: Final = 0.2


def show_live(view: RenderableType, poll: Poll) -> None:
    """Show the view until `q` or Ctrl-C, while `poll` runs and changes it.

    Raises:
        TriverseError: `poll` raised it.
    """
    end = anyio.run(_show, view, poll)
    if end is not None:
        raise end


async def _show(view: RenderableType, poll: Poll) -> TriverseError | SystemExit | None:
    """Return what ended the view: None for the user."""
    ends: list[TriverseError | SystemExit] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_poll, poll, ends)
        tasks.start_soon(_draw, view, ends, tasks.cancel_scope)
    return ends[0] if ends else None


async def _poll(poll: Poll, ends: list[TriverseError | SystemExit]) -> None:
    try:
        await poll()
    except TriverseError as error:
        ends.append(error)


async def _draw(view: RenderableType, ends: list[TriverseError | SystemExit], scope: anyio.CancelScope) -> None:
    with (
        _sigterm_as_exit(ends),
        _single_keys() as pressed,
        Live(view, console=Console(), screen=True, auto_refresh=False) as live,
    ):
        while not ends and not pressed("q"):
            live.refresh()
            await anyio.sleep(_FRAME_SECONDS)
    scope.cancel()


@contextmanager
def _sigterm_as_exit(ends: list[TriverseError | SystemExit]) -> Generator[None]:
    """End the view at SIGTERM. Its default action would leave the terminal without echo."""
    before = signal.signal(signal.SIGTERM, lambda number, _: ends.append(SystemExit(128 + number)))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _single_keys() -> Generator[Callable[[str], bool]]:
    """Read keys one by one and without echo. Gives a function that returns whether a key was pressed."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def pressed(key: str) -> bool:
        ready, _, _ = select.select([keyboard], [], [], 0)
        return bool(ready) and key.encode() in os.read(keyboard, 64).lower()

    try:
        tty.setcbreak(keyboard)
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
