"""`triverse balance --watch`: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec

from triverse import UserBalance
from triverse.cli.client import Connection
from triverse.cli.exit_codes import complain
from triverse.cli.output import credits_text, print_json, sent

__all__ = ["watch"]


def watch(connection: Connection, *, interval: float, as_json: bool) -> None:
    """Show the balance and each change, until the user has seen enough.

    Raises:
        TriverseError: an error that will not pass.
    """
    if not as_json and _can_be_live():
        from triverse.cli.live import watch_live  # noqa: PLC0415 - only a terminal needs it

        with connection.activity():
            watch_live(connection, interval)
        return
    show: Callable[[UserBalance], None] = _show_json if as_json else _show_line
    with (
        connection.activity(),
        connection.client() as client,
        closing(client.users.watch_balance(interval=interval, on_error=complain)) as news,
    ):
        while True:
            show(next(news))


def _can_be_live() -> bool:
    # termios, since the view takes single keys; Windows has none, and gets the plain lines.
    terminal = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return terminal and find_spec("termios") is not None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _show_json(balance: UserBalance) -> None:
    print_json({"time": _now(), **sent(balance)})


def _show_line(balance: UserBalance) -> None:
    line = f"{_now()}  available {credits_text(balance.balance)}  frozen {credits_text(balance.frozen)}"
    print(line, flush=True)  # noqa: T201 - printing is what a command does
