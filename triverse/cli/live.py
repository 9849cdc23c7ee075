"""The live view of a balance. However it ends, the terminal is as it was."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import aclosing, contextmanager

import anyio
from rich.console import Console
from rich.live import Live

from triverse import TriverseError
from triverse.cli.balance_history import Story
from triverse.cli.client import Connection
from triverse.cli.output import print_balance

__all__ = ["watch_live"]

# So often is the view drawn, the size of the terminal looked at, and the keyboard.
_FRAME_SECONDS = 0.2


def watch_live(connection: Connection, interval: float) -> None:
    """Show the view until `q`; then print the last balance.

    Raises:
        TriverseError: an error that will not pass.
    """
    story = Story()
    end = anyio.run(_show, connection, interval, story)
    if end is not None:
        raise end
    if story.samples:
        print_balance(story.samples[-1][1])


async def _show(connection: Connection, interval: float, story: Story) -> TriverseError | SystemExit | None:
    """Draw the story while it happens; gives what ended it, if it was not the user."""
    ends: list[TriverseError | SystemExit] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_follow, connection, interval, story, ends)
        tasks.start_soon(_draw, story, ends, tasks.cancel_scope)
    return ends[0] if ends else None


async def _follow(
    connection: Connection, interval: float, story: Story, ends: list[TriverseError | SystemExit]
) -> None:
    try:
        async with (
            connection.async_client() as client,
            aclosing(client.users.watch_balance(interval=interval, on_error=story.note)) as news,
        ):
            async for balance in news:
                story.add(balance)
    except TriverseError as error:
        ends.append(error)


async def _draw(story: Story, ends: list[TriverseError | SystemExit], everything: anyio.CancelScope) -> None:
    with (
        _terminating(ends),
        _single_keys() as pressed,
        Live(story, console=Console(), screen=True, auto_refresh=False) as view,
    ):
        while not ends and not pressed("q"):
            view.refresh()
            await anyio.sleep(_FRAME_SECONDS)
    everything.cancel()


@contextmanager
def _terminating(ends: list[TriverseError | SystemExit]) -> Generator[None]:
    """Let SIGTERM be an end like others, since the terminal would be left without echo."""
    before = signal.signal(signal.SIGTERM, lambda number, _: ends.append(SystemExit(128 + number)))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _single_keys() -> Generator[Callable[[str], bool]]:
    """Let keys come one by one and unseen; gives a function that says whether one was pressed."""
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
