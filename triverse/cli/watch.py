"""`triverse balance --watch`: a view that fills the terminal, or plain lines where the output is not a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from importlib.util import find_spec

import anyio

from triverse import APIError, AsyncTriverse, ConnectionFailedError, RequestTimeoutError, TriverseError, UserBalance
from triverse.cli.balance import print_balance
from triverse.cli.balance_history import BalanceHistory
from triverse.cli.freshness import Freshness
from triverse.cli.options import ClientFactory
from triverse.cli.output import (
    BELOW_THRESHOLD,
    OK,
    credits_text,
    is_terminal,
    print_error,
    print_json,
    printable,
    utc_now,
    write_line,
)
from triverse.core.retry import RETRYABLE_STATUS_CODES

__all__ = ["is_screen", "is_transient", "watch_balance"]

# While credits are frozen, a change is near.
_FASTER = 5


def watch_balance(factory: ClientFactory, *, interval: float, below: float | None, as_json: bool) -> int:
    """Show the balance and each change until `q` or Ctrl-C, and return the exit status.

    Raises:
        TriverseError: an error that does not go away by trying again.
    """
    with factory.activity():
        if as_json or not is_screen():
            _print_changes(factory, interval=interval, below=below, as_json=as_json)
        return _show_view(factory, interval=interval, below=below)


def is_screen() -> bool:
    """Whether a view can fill the terminal. It reads single keys, for which Windows has no termios."""
    terminal = is_terminal(sys.stdin) and is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"
    return terminal and find_spec("termios") is not None


def is_transient(error: TriverseError) -> bool:
    """Whether a watch goes on after this error, because the client would retry it."""
    if isinstance(error, APIError):
        return error.status_code in RETRYABLE_STATUS_CODES
    return isinstance(error, (ConnectionFailedError, RequestTimeoutError))


def _show_view(factory: ClientFactory, *, interval: float, below: float | None) -> int:
    from triverse.cli.live import show_live  # noqa: PLC0415 - Windows has no termios

    history = BalanceHistory(Freshness(interval), factory.host(), below)

    async def poll() -> None:
        async with factory.async_client() as client:
            await _poll_into(history, client.with_options(max_retries=0), interval)

    show_live(history, poll)
    if history.samples:
        print_balance(history.samples[-1][1], factory.profile)
    return BELOW_THRESHOLD if history.is_below() else OK


async def _poll_into(history: BalanceHistory, client: AsyncTriverse, interval: float) -> None:
    """Request the balance again and again. The SDK's own watch yields changes only, and a view also shows its age."""
    named = False
    while True:
        try:
            history.add(await client.users.balance())
        except TriverseError as error:
            if not is_transient(error):
                raise
            history.freshness.failed(error)
        else:
            if not named:
                named = True
                await _name_account(history, client)
        await anyio.sleep(interval / _FASTER if history.has_frozen() else interval)


async def _name_account(history: BalanceHistory, client: AsyncTriverse) -> None:
    """Add the e-mail address to the title. The view is complete enough without it."""
    with suppress(TriverseError):
        history.account = f"{(await client.users.me()).email} at {history.account}"


def _print_changes(factory: ClientFactory, *, interval: float, below: float | None, as_json: bool) -> None:
    on_error = _print_json_error if as_json else print_error
    with (
        factory.client() as client,
        closing(client.users.watch_balance(interval=interval, on_error=on_error)) as changes,
    ):
        while True:
            _print_change(next(changes), below, as_json=as_json)


def _print_json_error(error: TriverseError) -> None:
    print_json({"time": utc_now(), "error": printable(error)}, error=True)


def _print_change(balance: UserBalance, below: float | None, *, as_json: bool) -> None:
    is_below = below is not None and not balance.covers(below)
    if as_json:
        mark = {} if below is None else {"below": is_below}
        print_json({"time": utc_now(), **balance.to_dict(), **mark})
        return
    amounts = f"available {credits_text(balance.balance)}  frozen {credits_text(balance.frozen)}"
    write_line(f"{utc_now()}  {amounts}{'  below' if is_below else ''}", flush=True)
