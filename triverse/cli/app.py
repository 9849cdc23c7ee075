"""The commands and their options. What a command does is in a module of its own, imported when it runs.

click, since it was measured: a program of five commands takes 18 ms longer to start by argparse than by nothing, 44 by
click, 95 by cyclopts, 190 by typer; and click is typed, completes in the shell, and brings nothing along.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from triverse._version import __version__
from triverse.cli.client import Connection
from triverse.cli.exit_codes import BELOW, FINE, INTERRUPTED, USAGE, complain, status_of
from triverse.core.errors import TriverseError

__all__ = ["run"]

F = TypeVar("F", bound=Callable[..., object])

_COMPLETION: Final = "_TRIVERSE_COMPLETE"

# No line of these is wider than a narrow terminal.
_EXAMPLES: Final = """\b
Try it, without key and network:
  triverse balance --sandbox
  triverse balance --watch --sandbox

\b
Examples:
  triverse me --profile work
  triverse balance --below 100
  triverse balance --accounts my.toml
  triverse doctor

Exit status: 0 fine, 1 API error, 2 usage or configuration, 3 below the threshold, 4 network, 130 interrupted.
"""


def run(arguments: list[str]) -> int:
    """Run a command line, and give the exit status."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # A name that the terminal cannot show is no reason to fail.
        reconfigure(errors="backslashreplace")
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        complain(_usage(error))
        return USAGE
    except TriverseError as error:
        complain(error)
        return status_of(error)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has had enough. The interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    return status


def _dispatch(arguments: list[str]) -> int:
    if _COMPLETION in os.environ:
        triverse.main(arguments, prog_name="triverse", complete_var=_COMPLETION)
    with triverse.make_context("triverse", arguments) as context:
        status: int | None = triverse.invoke(context)
    return status or FINE


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "triverse"
    said = error.format_message()
    return f"{said}{'' if said.endswith(('.', '?')) else '.'} Try: {where} --help"


def _connection(command: F) -> F:
    """The options of every command that asks the service."""
    for option in (
        click.option("--debug", is_flag=True, help="Show each attempt on standard error."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--profile", metavar="NAME", help="Use the key of this profile of the config file."),
        click.option("--sandbox", is_flag=True, help="Ask a local Triverse in this process: no key, no network."),
    ):
        command = option(command)
    return command


class _Command(click.Command):
    """One whose summary is wrapped in the list of commands, where click would cut it off."""

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - as in click
        """The first paragraph of the help."""
        return " ".join((self.help or "").partition("\n\n")[0].split())


class _Group(click.Group):
    command_class: type[click.Command] | None = _Command


@click.group(
    cls=_Group,
    # click would not go below 50 columns by itself.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "terminal_width": min(96, shutil.get_terminal_size().columns - 2),
    },
    epilog=_EXAMPLES,
    invoke_without_command=True,
)
@click.version_option(__version__, message="triverse %(version)s")
@click.pass_context
def triverse(context: click.Context) -> None:
    """Who your Triverse key belongs to, and how many credits it has.

    The key comes from TRIVERSE_API_KEY, else from a profile.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@triverse.command(epilog="Example: triverse me --json")
@_connection
def me(*, as_json: bool, profile: str | None, sandbox: bool, debug: bool) -> None:
    """Show whom the key belongs to."""
    from triverse.cli.output import print_json, print_user, sent  # noqa: PLC0415 - not before it is used

    with Connection(profile, sandbox, debug).client() as client:
        user = client.users.me()
    if as_json:
        print_json(sent(user))
    else:
        print_user(user)


@triverse.command(
    epilog="""\b
Examples:
  triverse balance --watch --sandbox
  triverse balance --below 100
  triverse balance --accounts my.toml

FILE is TOML with lines such as studio = "env:STUDIO_KEY" under [accounts], or CSV with the columns name and key,
or a list of names of environment variables.
"""
)
@_connection
@click.option("--watch", is_flag=True, help="Stay, and show each change; q ends it.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=5.0, metavar="SECONDS", help="Time between looks. [5]"
)
@click.option("--accounts", metavar="FILE", type=click.Path(path_type=Path), help="Ask for each account in FILE.")
@click.option("--below", metavar="N", type=float, help="Exit status 3 if fewer credits are available.")
def balance(  # noqa: PLR0913 - one argument an option
    *,
    as_json: bool,
    profile: str | None,
    sandbox: bool,
    debug: bool,
    watch: bool,
    interval: float,
    accounts: Path | None,
    below: float | None,
) -> int:
    """Show the API credits, available and frozen."""
    _refuse_together(**{"--watch": watch, "--accounts": accounts is not None, "--below": below is not None and watch})
    connection = Connection(profile, sandbox, debug)
    if accounts is not None:
        _refuse_together(**{"--accounts": True, "--sandbox": sandbox, "--profile": profile is not None})
        from triverse.cli.accounts import show_accounts  # noqa: PLC0415 - not before it is used

        return show_accounts(connection, accounts, below=below, as_json=as_json)
    if watch:
        from triverse.cli.watch import watch as watch_balance  # noqa: PLC0415 - as above

        watch_balance(connection, interval=interval, as_json=as_json)
        return FINE
    from triverse.cli.output import print_balance, print_json, sent  # noqa: PLC0415 - as above

    with connection.client() as client:
        credits_now = client.users.balance()
    if as_json:
        print_json(sent(credits_now))
    else:
        print_balance(credits_now)
    return FINE if below is None or credits_now.covers(below) else BELOW


def _refuse_together(**options: bool) -> None:
    """Say so if more than one of these options is used.

    Raises:
        UsageError: it is.
    """
    used = [name for name, given in options.items() if given]
    if len(used) > 1:
        message = f"{used[0]} and {used[1]} do not go together"
        raise click.UsageError(message, click.get_current_context())


@triverse.command(epilog="Example: triverse doctor --profile work")
@click.option("--debug", is_flag=True, help="Show each attempt on standard error.")
@click.option("--profile", metavar="NAME", help="Use the key of this profile of the config file.")
def doctor(*, profile: str | None, debug: bool) -> int:
    """Find out why a call does not work, and what to do."""
    from triverse.cli.doctor import examine  # noqa: PLC0415 - not before it is used

    return examine(profile, debug=debug)


@triverse.command(
    epilog="""\b
Examples:
  triverse sandbox --activity
  triverse sandbox --accounts my.toml

FILE is TOML with an [[accounts]] table each: email, plan_name, api_credits, web_credits.
"""
)
@click.option("--port", type=click.IntRange(0, 65535), default=8787, help="Port to listen at; 0: a free one. [8787]")
@click.option("--host", metavar="ADDRESS", help="Address to listen at, if others shall reach it. [127.0.0.1]")
@click.option("--accounts", metavar="FILE", type=click.Path(path_type=Path), help="Open the accounts in FILE.")
@click.option("--activity", is_flag=True, help="Let tasks start, succeed and fail, so that balances move.")
def sandbox(*, port: int, host: str | None, accounts: Path | None, activity: bool) -> int:
    """Serve a local Triverse to develop and test against."""
    from triverse.cli.sandbox import serve  # noqa: PLC0415 - not before it is used

    return serve(host or "127.0.0.1", port, accounts, active=activity)


@triverse.command(epilog="Example: triverse openapi > triverse.json")
def openapi() -> None:
    """Print the description of the API: OpenAPI 3.1, as JSON."""
    from triverse.sandbox.openapi import document  # noqa: PLC0415 - not before it is used

    click.echo(document(), nl=False)


@triverse.command(epilog="Example: triverse completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes your shell complete commands and options."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete  # noqa: PLC0415 - not before it is used

    kind = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}[shell]
    if shell == "zsh":
        # A zsh without any settings has no completion to add to.
        click.echo("(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }")
    click.echo(kind(triverse, {}, "triverse", _COMPLETION).source())
