"""`triverse sandbox`: a local Triverse on a port."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from triverse._extras import require_extra
from triverse.cli.options import FILE
from triverse.cli.output import INTERRUPTED, credits_text, printable, write_line
from triverse.cli.sandbox_accounts import add_accounts
from triverse.sandbox import Account, Sandbox
from triverse.sandbox.activity import Activity

__all__ = ["sandbox"]


@click.command(
    help="Serve a local Triverse to develop and test against. Ctrl-C ends it.",
    epilog="""\b
Examples:
  triverse sandbox --activity
  triverse sandbox --accounts my.toml

FILE is TOML with an [[accounts]] table each: email, plan_name, api_credits, web_credits, key.
""",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8787, help="Port to listen on; 0 for a free one. [8787]")
@click.option("--host", metavar="ADDRESS", help="Address to listen on, so that others can connect. [127.0.0.1]")
@click.option("--accounts", metavar="FILE", type=FILE, help="Open the accounts in FILE.")
@click.option("--activity", is_flag=True, help="Let tasks start, succeed and fail, so that balances move.")
def sandbox(*, port: int, host: str | None, accounts: Path | None, activity: bool) -> int:
    with require_extra("sandbox"):
        from triverse.sandbox.server import run_server  # noqa: PLC0415 - it needs the extra

    local = Sandbox()
    owners = [local.demo] if accounts is None else add_accounts(local, accounts)
    tasks = Activity(owners) if activity else None
    run_server(local, host=host or "127.0.0.1", port=port, ready=lambda url: _announce(url, owners), activity=tasks)
    return INTERRUPTED


def _announce(url: str, accounts: Sequence[Account]) -> None:
    """Print the lines to paste into another shell."""
    write_line(f"A local Triverse answers at {url}; Ctrl-C ends it.\n")
    for account in accounts:
        email, amount = printable(account.email), credits_text(account.balance.balance)
        write_line(f"{account.key}  {email}, {amount} credits")
    if accounts:
        write_line()
        for name, value in _variables(url, accounts[0]).items():
            write_line(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()


def _variables(url: str, account: Account) -> dict[str, str]:
    variables = {"TRIVERSE_API_KEY": str(account.key), "TRIVERSE_BASE_URL": url}
    host = urlsplit(url).hostname
    if host not in {"127.0.0.1", "::1", "localhost"}:
        # Without it, the SDK refuses http:// to a host that is not this machine.
        variables["TRIVERSE_ALLOW_HTTP"] = "1"
    return variables
