"""The group of commands, and how a run ends.

The table of commands has the names and summaries, so that `triverse --help` loads none of the commands. Each command
and its options are in a module of their own, which is imported when the command runs. The imports are written out,
because tools that freeze applications, such as PyInstaller, do not see modules that are imported by a name in a string.

click, since it was measured: a program of five commands takes 18 ms longer to start by argparse than by nothing, 44 by
click, 95 by cyclopts, 190 by typer. It is also typed, and completes in the shell.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from itertools import takewhile
from typing import Final

import click

from triverse._version import __version__
from triverse.cli.failure import report
from triverse.cli.output import API_ERROR, OK, OutputError, print_error, silence

__all__ = ["COMPLETION", "run", "triverse"]

COMPLETION: Final = "_TRIVERSE_COMPLETE"
_MAX_WIDTH: Final = 96


def _generate() -> click.Command:
    from triverse.cli.generate import generate

    return generate


def _quote() -> click.Command:
    from triverse.cli.tasks import quote

    return quote


def _task() -> click.Command:
    from triverse.cli.tasks import task

    return task


def _upload() -> click.Command:
    from triverse.cli.tasks import upload

    return upload


def _me() -> click.Command:
    from triverse.cli.balance import me

    return me


def _balance() -> click.Command:
    from triverse.cli.balance import balance

    return balance


def _doctor() -> click.Command:
    from triverse.cli.doctor import doctor

    return doctor


def _sandbox() -> click.Command:
    from triverse.cli.sandbox import sandbox

    return sandbox


def _openapi() -> click.Command:
    from triverse.cli.scripts import openapi

    return openapi


def _completion() -> click.Command:
    from triverse.cli.scripts import completion

    return completion


_COMMANDS: Final[dict[str, tuple[Callable[[], click.Command], str]]] = {
    "generate": (_generate, "Make a 3D model from a prompt or an image."),
    "quote": (_quote, "Show what a task costs."),
    "task": (_task, "Show, wait for, watch and download tasks."),
    "upload": (_upload, "Upload an image or a model."),
    "me": (_me, "Show the account that the key belongs to."),
    "balance": (_balance, "Show the API credits; watch or check them."),
    "doctor": (_doctor, "Find out why a call does not work."),
    "sandbox": (_sandbox, "Serve a local Triverse to develop against."),
    "openapi": (_openapi, "Print the OpenAPI description of the API."),
    "completion": (_completion, "Print the completion script of your shell."),
}

_SUMMARY: Final = (
    "3D models from prompts and images, by the Triverse API. Try it without a key and without cost: "
    'triverse generate "a brass helmet" --sandbox'
)
_REFERENCE: Final = """\
Key: TRIVERSE_API_KEY, or --profile NAME. Keys are made in the API dashboard,
see https://docs.triverse.ai/getting-started/authentication
Server: TRIVERSE_BASE_URL. Log: TRIVERSE_LOG=debug. Docs: docs.triverse.ai
Exit status: 0 ok, 1 API error, 2 usage or configuration, 3 below --below,
4 network, 5 task failed, 6 timed out, 7 input refused, 130 interrupted
"""


class _Group(click.Group):
    """Loads a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        return _COMMANDS[cmd_name][0]() if cmd_name in _COMMANDS else None

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write a help that fits into 80 x 24, which click's own layout does not."""
        formatter.write_usage("triverse", "COMMAND [OPTIONS]  (or: -h, --version)")
        formatter.write_paragraph()
        formatter.write_text(_SUMMARY)
        with formatter.section("Commands, each with --help"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])
        formatter.write_paragraph()
        for line in _REFERENCE.splitlines():
            formatter.write_text(line)


def _width() -> int:
    # click itself would not go below 50 columns.
    return min(_MAX_WIDTH, shutil.get_terminal_size().columns - 2)


@click.group(
    cls=_Group,
    help="3D models from prompts and images, by the Triverse API.",
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(__version__, message="triverse %(version)s")
@click.pass_context
def triverse(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: list[str]) -> int:
    """Run a command line and return the exit status."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # A name that the terminal cannot show must not end the command.
        reconfigure(errors="backslashreplace")
    as_json = "--json" in takewhile(lambda argument: argument != "--", arguments)
    try:
        return _flushed(_run(arguments, as_json=as_json))
    except OutputError as error:
        silence(sys.stdout)
        if isinstance(error.cause, BrokenPipeError):
            return error.status
        print_error(error)
        # A daemon or cron that starts a command with a closed standard output does without it. A full disk loses it.
        return error.status if error.cause.errno == errno.EBADF else error.status or API_ERROR


def _run(arguments: list[str], *, as_json: bool) -> int:
    try:
        return _invoke(arguments)
    except OutputError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - report() raises it again if it is unknown
        return report(error, as_json=as_json)


def _invoke(arguments: list[str]) -> int:
    if COMPLETION in os.environ:
        triverse.main(arguments, prog_name="triverse", complete_var=COMPLETION)
    with triverse.make_context("triverse", arguments, terminal_width=_width()) as context:
        status: int | None = triverse.invoke(context)
    return status or OK


def _flushed(status: int) -> int:
    """The status, once all output is written.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else OSError(0, str(error))
        raise OutputError(cause, status) from error
    return status
