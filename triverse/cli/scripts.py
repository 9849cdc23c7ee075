"""`triverse openapi` and `triverse completion`: commands that print a file."""

from __future__ import annotations

import json

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from triverse.cli.app import COMPLETION, triverse
from triverse.cli.options import json_option
from triverse.cli.output import print_json
from triverse.sandbox.openapi import document

__all__ = ["completion", "openapi"]


@click.command(
    help="Print the OpenAPI 3.1 description of the API, as JSON.", epilog="Example: triverse openapi > triverse.json"
)
@json_option
def openapi(*, as_json: bool) -> None:
    if as_json:
        print_json(json.loads(document()))
    else:
        click.echo(document(), nl=False)


@click.command(
    help="Print the script with which your shell completes commands and options.",
    epilog="Example: triverse completion bash >> ~/.bashrc",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(*, shell: str, as_json: bool) -> None:
    kind = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}[shell]
    script = kind(triverse, {}, "triverse", COMPLETION).source()
    if shell == "zsh":
        # A zsh without a configuration has not loaded its completion system.
        script = f"(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}\n{script}"
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
