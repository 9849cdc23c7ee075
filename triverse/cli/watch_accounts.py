"""`triverse balance --accounts FILE --watch`: the balances of many accounts, requested again and again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio
from attrs import define, field
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from triverse import AccountBalance, AsyncTriverse
from triverse.cli.account_list import Keys, read_accounts
from triverse.cli.accounts import (
    account_json,
    accounts_table,
    error_text,
    exit_status,
    is_below,
    missing_keys,
    rank,
    usable,
)
from triverse.cli.balance_history import describe_change
from triverse.cli.freshness import Freshness, event_lines, screen_lines, title_line
from triverse.cli.options import ClientFactory
from triverse.cli.output import credits_text, print_json, printable, utc_now, write_line
from triverse.cli.watch import is_screen, is_transient

__all__ = ["watch_accounts"]

# Lines of the screen besides age, error, accounts and events: title, head of the table, the line about what does not
# fit, and an empty line.
_OTHER_LINES: Final = 4
_SHOWN_EVENTS: Final = 4


@define
class _AccountsView:
    """The last balance of each account, or its error, and what happened.

    If no balance can be read, the last ones stay and are stale.
    """

    freshness: Freshness
    count: int
    host: str
    below: float | None
    found: dict[str, AccountBalance] = field(factory=dict[str, AccountBalance])
    events: list[str] = field(factory=list[str])

    def add(self, accounts: Sequence[AccountBalance]) -> None:
        """Show what one round of requests returned."""
        failures = [account.error for account in accounts if account.error is not None and is_transient(account.error)]
        if failures and len(failures) == len(accounts):
            self.freshness.failed(failures[0])
            self.found = {account.name: account for account in accounts} | self.found
        else:
            self.freshness.succeeded()
            self._note_changes(accounts)
            self.found |= {account.name: account for account in accounts}

    def _note_changes(self, accounts: Sequence[AccountBalance]) -> None:
        for account in accounts:
            before = self.found.get(account.name, account).balance
            happened = before and account.balance and describe_change(account.balance.change_since(before))
            if happened:
                self.events.append(f"{time.strftime('%H:%M:%S')}  {printable(account.name)}: {happened}")
        del self.events[:-_SHOWN_EVENTS]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield title_line("Triverse credits", f"{self.count} accounts at {self.host}")
        state = self.freshness.lines()
        yield from state
        accounts = sorted(self.found.values(), key=rank)
        left = (options.height or console.height) - _OTHER_LINES - screen_lines(state, console, options.max_width)
        shown = _fitting(accounts, max(1, left))
        yield accounts_table(shown, self.below, style="dim" if self.freshness.stale else "", wrap=False)
        if len(shown) < len(accounts):
            yield Text(f"and {len(accounts) - len(shown)} more", "dim")
        yield from event_lines(self.events[: max(0, left - sum(map(_lines_of, shown)))])


def _lines_of(account: AccountBalance) -> int:
    """How many lines an account takes: two if there is an error."""
    return 1 if account.error is None else 2


def _fitting(accounts: Sequence[AccountBalance], rows: int) -> Sequence[AccountBalance]:
    """As many accounts as fit."""
    for count, account in enumerate(accounts):
        rows -= _lines_of(account)
        if rows < 0:
            return accounts[:count]
    return accounts


def watch_accounts(factory: ClientFactory, path: Path, *, interval: float, below: float | None, as_json: bool) -> int:
    """Show the accounts of the file and each change until `q` or Ctrl-C, and return the exit status.

    Raises:
        ConfigurationError: the file cannot be read or understood.
    """
    keys = read_accounts(path)
    if as_json or not is_screen():
        _print_changes(factory, keys, interval=interval, below=below, as_json=as_json)
    from triverse.cli.live import show_live  # noqa: PLC0415 - Windows has no termios

    view = _AccountsView(Freshness(interval), len(keys), factory.host(), below)
    view.found |= {account.name: account for account in missing_keys(keys)}

    async def poll() -> None:
        async with factory.async_client_for_many() as client:
            await _poll_into(view, client.with_options(max_retries=0), keys, interval)

    show_live(view, poll)
    Console().print(accounts_table(sorted(view.found.values(), key=rank), below))
    return exit_status(view.found.values(), below)


async def _poll_into(view: _AccountsView, client: AsyncTriverse, keys: Keys, interval: float) -> None:
    while True:
        async with client.balances(usable(keys)) as balances:
            view.add([account async for account in balances])
        await anyio.sleep(interval)


def _print_changes(factory: ClientFactory, keys: Keys, *, interval: float, below: float | None, as_json: bool) -> None:
    """Print each account, and then each that differs from before, until Ctrl-C."""
    changed = _ChangedLines(below)
    with factory.client_for_many() as client:
        changed.show(missing_keys(keys), as_json=as_json)
        while True:
            with closing(client.balances(usable(keys))) as balances:
                changed.show(balances, as_json=as_json)
            time.sleep(interval)


@define
class _ChangedLines:
    """Prints an account unless its line is the same as before."""

    below: float | None
    seen: dict[str, str] = field(factory=dict[str, str])

    def show(self, accounts: Iterable[AccountBalance], *, as_json: bool) -> None:
        for account in accounts:
            line = _line(account, self.below)
            if self.seen.get(account.name) != line:
                self.seen[account.name] = line
                if as_json:
                    print_json({"time": utc_now(), **account_json(account, self.below)})
                else:
                    write_line(f"{utc_now()}  {line}", flush=True)


def _line(account: AccountBalance, below: float | None) -> str:
    name = printable(account.name)
    if account.balance is None:
        return f"{name}  error: {error_text(account)}"
    mark = "  below" if is_below(account, below) else ""
    balance = account.balance
    return f"{name}  available {credits_text(balance.balance)}  frozen {credits_text(balance.frozen)}{mark}"
