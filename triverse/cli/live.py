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
from typing import NoReturn

import anyio
from rich.console import Console
from rich.live import Live

from triverse import TriverseError
from triverse.cli.connect import Connection
from triverse.cli.output import print_balance
from triverse.cli.story import Story

__all__ = ["watch_live"]

# So often is the view drawn, the size of the terminal looked at, and the keyboard.
_FRAME_SECONDS = 0.2


def watch_live(connection: Connection, interval: float) -> None:
    """Show the view until `q`; then print the last balance.

    Raises:
        TriverseError: an error that will not pass.
    """
    story = Story()
    error = anyio.run(_show, connection, interval, story)
    if error is not None:
        raise error
    if story.samples:
        print_balance(story.samples[-1][1])


async def _show(connection: Connection, interval: float, story: Story) -> TriverseError | None:
    ended: list[TriverseError] = []

    async def follow() -> None:
        try:
            async with (
                connection.async_client() as client,
                aclosing(client.users.watch_balance(interval=interval, on_error=story.note)) as news,
            ):
                async for balance in news:
                    story.add(balance)
        except TriverseError as error:
            ended.append(error)

    with _single_keys() as pressed, Live(story, console=Console(), screen=True, auto_refresh=False) as live:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            while not ended and not pressed("q"):
                live.refresh()
                await anyio.sleep(_FRAME_SECONDS)
            tasks.cancel_scope.cancel()
    return ended[0] if ended else None


@contextmanager
def _single_keys() -> Generator[Callable[[str], bool]]:
    """Let keys come one by one and unseen; gives a function that says whether one was pressed."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def pressed(key: str) -> bool:
        ready, _, _ = select.select([keyboard], [], [], 0)
        return bool(ready) and key.encode() in os.read(keyboard, 64).lower()

    # To be terminated is to unwind, too: the terminal would stay without echo.
    terminate = signal.signal(signal.SIGTERM, _unwind)
    try:
        tty.setcbreak(keyboard)
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, terminate)


def _unwind(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
