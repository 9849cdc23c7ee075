"""`triverse openapi` and `triverse completion`: commands that print a file."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from triverse.cli.app import COMPLETION, triverse
from triverse.sandbox.openapi import document

__all__ = ["completion", "openapi"]


@click.command(
    help="Print the OpenAPI 3.1 description of the API, as JSON.", epilog="Example: triverse openapi > triverse.json"
)
def openapi() -> None:
    click.echo(document(), nl=False)


@click.command(
    help="Print the script with which your shell completes commands and options.",
    epilog="Example: triverse completion bash >> ~/.bashrc",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    kind = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}[shell]
    if shell == "zsh":
        # A zsh without a configuration has not loaded its completion system.
        click.echo("(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }")
    click.echo(kind(triverse, {}, "triverse", COMPLETION).source())
