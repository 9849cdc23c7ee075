"""`triverse me` and `triverse balance`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from triverse import UserBalance, UserInfo
from triverse.cli.options import (
    FILE,
    ClientFactory,
    client_options,
    credits_of,
    json_option,
    mutually_exclusive,
    seconds_of,
)
from triverse.cli.output import BELOW_THRESHOLD, OK, credits_text, keeping, print_fields, print_json

__all__ = ["balance", "me"]

_SHORTEST: Final = 0.1


@click.command(
    help="Show the account that the key belongs to: e-mail address, plan and credits.",
    epilog="Example: triverse me --json",
)
@client_options
@json_option
def me(factory: ClientFactory, *, as_json: bool) -> None:
    with factory.client() as client:
        user = client.users.me()
    if as_json:
        print_json(user.to_dict())
    else:
        _print_user(user)


def _interval_of(text: str) -> float:
    """Return a number of seconds between requests.

    Raises:
        BadParameter: it is something else.
    """
    seconds = seconds_of(text)
    if seconds < _SHORTEST:
        raise click.BadParameter(f"{text!r} is shorter than {_SHORTEST:g} seconds")
    return seconds


@click.command(
    help="Show the API credits: available and frozen.",
    epilog="""\b
Examples:
  triverse balance --watch --sandbox
  triverse balance --below 100 --quiet
  triverse balance --accounts my.toml

FILE is TOML with lines such as studio = "env:STUDIO_KEY" under [accounts], or CSV with the columns name and key, or
names of environment variables.
""",
)
@client_options
@json_option
@click.option("--watch", is_flag=True, help="Stay, and show each change. q ends it.")
@click.option("--interval", type=_interval_of, default=5.0, metavar="SECONDS", help="Of --watch; 0.1 or more. [5]")
@click.option("--accounts", metavar="FILE", type=FILE, help="Show every account in FILE.")
@click.option("--below", metavar="N", type=credits_of, help="Exit status 3 if fewer than N are available.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def balance(  # noqa: PLR0913 - one argument for each option
    factory: ClientFactory,
    *,
    as_json: bool,
    watch: bool,
    interval: float,
    accounts: Path | None,
    below: float | None,
    quiet: bool,
) -> int:
    mutually_exclusive(**{"--quiet": quiet, "--json": as_json})
    mutually_exclusive(**{"--quiet": quiet, "--watch": watch})
    if accounts is not None:
        mutually_exclusive(
            **{"--accounts": True, "--sandbox": factory.sandbox, "--profile": factory.profile is not None}
        )
        if watch:
            from triverse.cli.watch_accounts import watch_accounts  # noqa: PLC0415 - needs rich

            return watch_accounts(factory, accounts, interval=interval, below=below, as_json=as_json)
        from triverse.cli.accounts import show_accounts  # noqa: PLC0415 - needs rich

        output = "json" if as_json else "quiet" if quiet else "text"
        return show_accounts(factory, accounts, below=below, output=output)
    if watch:
        from triverse.cli.watch import watch_balance  # noqa: PLC0415 - needs anyio

        return watch_balance(factory, interval=interval, below=below, as_json=as_json)
    with factory.client() as client:
        now = client.users.balance()
    status = OK if below is None or now.covers(below) else BELOW_THRESHOLD
    with keeping(status):
        if as_json:
            print_json(now.to_dict())
        elif not quiet:
            print_balance(now, factory.profile)
    return status


def print_balance(now: UserBalance, profile: str | None) -> None:
    """Print a balance as fields, with the name of the profile if one was chosen."""
    whose = {} if profile is None else {"profile": profile}
    print_fields(
        {
            **whose,
            "available": credits_text(now.balance),
            "frozen": credits_text(now.frozen),
            "total": credits_text(now.total),
        }
    )


def _print_user(user: UserInfo) -> None:
    print_fields(
        {
            "email": user.email,
            "plan": user.plan_name or "none",
            "API credits": credits_text(user.api_credits_balance),
            "web credits": credits_text(user.web_credits_balance),
            "id": user.id,
        }
    )
