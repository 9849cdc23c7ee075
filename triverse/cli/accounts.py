"""`triverse balance --accounts`: the balances of many accounts, the lowest first."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from rich.console import Console, Group
from rich.progress import track
from rich.table import Table
from rich.text import Text

from triverse import AccountBalance, ConfigurationError, TransportError, Triverse
from triverse.cli.account_list import Keys, read_accounts
from triverse.cli.options import ClientFactory
from triverse.cli.output import (
    API_ERROR,
    BELOW_THRESHOLD,
    NETWORK,
    OK,
    USAGE,
    credits_text,
    for_command,
    is_terminal,
    keeping,
    print_json,
    printable,
    write_line,
)

__all__ = [
    "account_json",
    "accounts_table",
    "exit_status",
    "is_below",
    "missing_keys",
    "rank",
    "show_accounts",
    "usable",
]

# What needs attention first comes first.
_URGENCY: Final = (BELOW_THRESHOLD, API_ERROR, USAGE, NETWORK)


def show_accounts(factory: ClientFactory, path: Path, *, below: float | None, output: str) -> int:
    """Request the balance of each account in the file, print them, and return the exit status.

    Args:
        factory: makes the client.
        path: the file.
        below: the threshold; None for none.
        output: "text", "json" or "quiet".

    Raises:
        ConfigurationError: the file cannot be read or understood.
    """
    keys = read_accounts(path)
    found: list[AccountBalance] = []
    with factory.client_for_many() as client:
        for account in _with_progress(_balances(client, keys), len(keys)):
            found.append(account)
            if output == "json":
                with keeping(exit_status(found, below)):
                    print_json(account_json(account, below))
    status = exit_status(found, below)
    if output == "text":
        with keeping(status):
            _print_table(sorted(found, key=rank), below)
    return status


def _balances(client: Triverse, keys: Keys) -> Iterator[AccountBalance]:
    yield from missing_keys(keys)
    with closing(client.balances(usable(keys))) as balances:
        yield from balances


def missing_keys(keys: Keys) -> list[AccountBalance]:
    """The accounts of which the file has no key. Each costs one line, not the run."""
    return [AccountBalance(name, error=key) for name, key in keys.items() if isinstance(key, ConfigurationError)]


def usable(keys: Keys) -> dict[str, str]:
    """The accounts of which the file has a key."""
    return {name: key for name, key in keys.items() if isinstance(key, str)}


def rank(account: AccountBalance) -> tuple[bool, float, str]:
    """The order of the table: errors, then the lowest balance first."""
    available = account.balance.balance if account.balance else 0.0
    return account.balance is not None, available, account.name


def exit_status(accounts: Iterable[AccountBalance], below: float | None) -> int:
    """The status of the account that needs attention most."""
    statuses = {_status_of_one(account, below) for account in accounts}
    return next((status for status in _URGENCY if status in statuses), OK)


def _status_of_one(account: AccountBalance, below: float | None) -> int:
    if isinstance(account.error, ConfigurationError):
        return USAGE
    if account.balance is None:
        return NETWORK if isinstance(account.error, TransportError) else API_ERROR
    return BELOW_THRESHOLD if is_below(account, below) else OK


def is_below(account: AccountBalance, below: float | None) -> bool:
    """Whether the account has fewer credits than the threshold."""
    return below is not None and account.balance is not None and not account.balance.covers(below)


def account_json(account: AccountBalance, below: float | None) -> dict[str, object]:
    """The JSON object of an account."""
    if account.balance is None:
        return {"name": account.name, "error": error_text(account)}
    mark = {} if below is None else {"below": is_below(account, below)}
    return {"name": account.name, **account.balance.to_dict(), **mark}


def error_text(account: AccountBalance) -> str:
    """Why there is no balance."""
    text = str(account.error).replace(f"the mapping passed to balances(), under {account.name!r}", "the file")
    return printable(for_command(text, "the file"))


def _with_progress(accounts: Iterable[AccountBalance], total: int) -> Iterator[AccountBalance]:
    """The accounts as they come, with a progress bar if a person watches."""
    if not is_terminal(sys.stderr):
        return iter(accounts)
    console = Console(stderr=True)
    return iter(track(accounts, "Requesting balances", total=total, console=console, transient=True))


def _print_table(accounts: Iterable[AccountBalance], below: float | None) -> None:
    if is_terminal(sys.stdout):
        Console().print(accounts_table(accounts, below))
        return
    mark = () if below is None else ("below",)
    write_line("\t".join(("name", "available", "frozen", "error", *mark)))
    for account in accounts:
        mark = () if below is None else ("below" if is_below(account, below) else "",)
        write_line("\t".join((*_cells(account), *mark)))


def _cells(account: AccountBalance) -> tuple[str, str, str, str]:
    name = printable(account.name)
    if account.balance is None:
        return name, "", "", error_text(account)
    return name, credits_text(account.balance.balance), credits_text(account.balance.frozen), ""


def accounts_table(
    accounts: Iterable[AccountBalance], below: float | None, *, style: str = "", wrap: bool = True
) -> Group:
    """The accounts as a table, and the errors below it. Names and errors are `Text`: they may look like markup."""
    table = Table("account", box=None, padding=(0, 2, 0, 0), header_style="bold", style=style)
    table.add_column("available", justify="right", no_wrap=True)
    table.add_column("frozen", justify="right", no_wrap=True)
    table.add_column("")
    errors = list[Text]()
    for account in accounts:
        name, available, frozen, error = _cells(account)
        mark = "below" if is_below(account, below) else "error" if error else ""
        table.add_row(Text(name), available, frozen, mark, style="red" if mark else "")
        if error:
            errors.append(Text(f"{name}: {error}", "red", no_wrap=not wrap, overflow="fold" if wrap else "ellipsis"))
    return Group(table, *errors)
