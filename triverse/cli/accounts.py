"""`triverse balance --accounts`: how many accounts stand, the lowest first."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from triverse import AccountBalance, TransportError
from triverse.cli.accounts_file import read_accounts
from triverse.cli.client import Connection
from triverse.cli.exit_codes import BELOW, FINE, NETWORK, REFUSED, printable
from triverse.cli.output import credits_text, print_json, sent

__all__ = ["show_accounts"]


def show_accounts(connection: Connection, path: Path, *, below: float | None, as_json: bool) -> int:
    """Ask for each account in the file, show them, and give the exit status.

    Raises:
        ConfigurationError: the file is of no use.
    """
    keys = read_accounts(path)
    with connection.client_for_many() as client, closing(client.balances(keys)) as answers:
        if as_json:
            seen = list(_streamed(answers))
        else:
            seen = sorted(_with_progress(answers, len(keys)), key=_rank)
            _print_table(seen, below)
    return _status(seen, below)


def _rank(account: AccountBalance) -> tuple[bool, float, str]:
    """Errors first, since nobody knows how low those are; then what is lowest."""
    available = account.balance.balance if account.balance else 0.0
    return account.balance is not None, available, account.name


def _status(accounts: Iterable[AccountBalance], below: float | None) -> int:
    """What needs attention most: a low balance, then what the API said, then the network."""
    statuses = {_status_of_one(account, below) for account in accounts}
    return next((status for status in (BELOW, REFUSED, NETWORK) if status in statuses), FINE)


def _status_of_one(account: AccountBalance, below: float | None) -> int:
    if account.balance is None:
        return NETWORK if isinstance(account.error, TransportError) else REFUSED
    return FINE if below is None or account.balance.covers(below) else BELOW


def _streamed(answers: Iterable[AccountBalance]) -> Iterator[AccountBalance]:
    for account in answers:
        facts = sent(account.balance) if account.balance else {"error": printable(account.error)}
        print_json({"name": account.name, **facts})
        yield account


def _with_progress(answers: Iterable[AccountBalance], total: int) -> Iterator[AccountBalance]:
    """The answers as they come; a terminal shows how far it is."""
    if not sys.stderr.isatty():
        return iter(answers)
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import track  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    return iter(track(answers, "Asking", total=total, console=console, transient=True))


def _print_table(accounts: Iterable[AccountBalance], below: float | None) -> None:
    if sys.stdout.isatty():
        _print_rich_table(accounts, below)
        return
    print("name", "available", "frozen", "error", sep="\t")  # noqa: T201 - printing is what a command does
    for account in accounts:
        print(*_cells(account), sep="\t")  # noqa: T201 - as above


def _cells(account: AccountBalance) -> tuple[str, str, str, str]:
    name = printable(account.name)
    if account.balance is None:
        return name, "", "", printable(account.error)
    return name, credits_text(account.balance.balance), credits_text(account.balance.frozen), ""


def _print_rich_table(accounts: Iterable[AccountBalance], below: float | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table("account", box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("available", justify="right", no_wrap=True)
    table.add_column("frozen", justify="right", no_wrap=True)
    table.add_column("")
    console, errors = Console(), list[Text]()
    for account in accounts:
        name, available, frozen, error = _cells(account)
        status = _status_of_one(account, below)
        mark = {FINE: "", BELOW: "low"}.get(status, "error")
        # As Text, since a name or a message may look like markup.
        table.add_row(Text(name), available, frozen, mark, style="red" if mark else "")
        if error:
            errors.append(Text(f"{name}: {error}", "red"))
    console.print(table)
    for line in errors:
        console.print(line)
