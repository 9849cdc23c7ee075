"""`triverse sandbox`: a local Triverse on a port."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from triverse._extras import require_extra
from triverse.cli.options import FILE, json_option
from triverse.cli.output import INTERRUPTED, credits_text, print_json, print_note, printable, utc_now, write_line
from triverse.cli.sandbox_accounts import add_accounts
from triverse.cli.sandbox_control import COMMANDS
from triverse.sandbox import Account, LoggedCall, Sandbox
from triverse.sandbox.activity import Activity

__all__ = ["sandbox"]


@click.group(
    help="Serve a local Triverse to develop and test against. Ctrl-C ends it.",
    epilog="""FILE is TOML, [[accounts]] of email, plan_name, api_credits, web_credits, key. The commands change a
    sandbox that is served in another shell: triverse sandbox top-up 500""",
    invoke_without_command=True,
)
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", default=8787, help="0 for a free one. [8787]")
@click.option("--host", metavar="ADDRESS", help="Address to listen on. [127.0.0.1]")
@click.option("--accounts", metavar="FILE", type=FILE, help="Open the accounts in FILE.")
@click.option("--activity", is_flag=True, help="Let tasks start, succeed and fail.")
@click.option("--quiet", is_flag=True, help="Do not print a line for each request.")
@json_option
@click.pass_context
def sandbox(  # noqa: PLR0913 - one argument for each option
    context: click.Context,
    *,
    port: int,
    host: str | None,
    accounts: Path | None,
    activity: bool,
    quiet: bool,
    as_json: bool,
) -> int | None:
    if context.invoked_subcommand is not None:
        return None
    with require_extra("sandbox"):
        from triverse.sandbox.server import run_server  # noqa: PLC0415 - it needs the extra

    local = Sandbox()
    owners = [local.demo] if accounts is None else add_accounts(local, accounts)
    if not quiet:
        local.on_request = _print_request_as_json if as_json else _print_request
    tasks = Activity(owners) if activity else None
    announce = _announce_as_json if as_json else _announce
    run_server(local, host=host or "127.0.0.1", port=port, ready=lambda url: announce(url, owners), activity=tasks)
    return INTERRUPTED


for _command in COMMANDS:
    sandbox.add_command(_command)


def _print_request(call: LoggedCall) -> None:
    fault = "" if call.fault is None else f"  {printable(repr(call.fault))}"
    line = f"{time.strftime('%H:%M:%S')}  {call.method:6} {printable(call.path)}  {call.status}{fault}"
    print_note(line)


def _print_request_as_json(call: LoggedCall) -> None:
    fault = None if call.fault is None else repr(call.fault)
    event = {"event": "request", "method": call.method, "path": call.path, "status": call.status, "fault": fault}
    print_json({"time": utc_now(), **event}, error=True)


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


def _announce_as_json(url: str, accounts: Sequence[Account]) -> None:
    """Print one object when the sandbox is ready."""
    found = [{"email": account.email, "key": account.key, **account.balance.to_dict()} for account in accounts]
    print_json({"base_url": url, "accounts": found, "environment": _variables(url, accounts[0]) if accounts else {}})


def _variables(url: str, account: Account) -> dict[str, str]:
    variables = {"TRIVERSE_API_KEY": str(account.key)}
    if urlsplit(url).hostname not in {"127.0.0.1", "::1", "localhost"}:
        # Without it, the SDK refuses http:// to another machine.
        variables["TRIVERSE_ALLOW_HTTP"] = "1"
    return {**variables, "TRIVERSE_BASE_URL": url}
