"""Completion in each installed shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.shell import COMMAND, environment, run

from triverse.cli import main

# For each shell: the command to run in it, and how its output begins.
COMPLETES = {
    "bash": (
        (
            "source <(triverse completion bash); COMP_WORDS=(triverse ba) COMP_CWORD=1; _triverse_completion triverse;"
            " echo $COMPREPLY"
        ),
        "balance\n",
    ),
    "fish": (
        "triverse completion fish | source; complete -C 'triverse ba'",
        "balance\tShow the API credits",
    ),
    # Without a keyboard, zsh only prints the name of the completion function.
    "zsh": ("source <(triverse completion zsh); echo $_comps[triverse]", "_triverse_completion\n"),
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A path with `triverse` on it."""
    command = tmp_path / "triverse"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return os.pathsep.join([str(tmp_path), os.environ["PATH"]])


@pytest.mark.parametrize("shell", COMPLETES)
def test_completion_is_printed_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_TRIVERSE_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    "shell",
    [
        pytest.param(shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed"))
        for shell in COMPLETES
    ],
)
def test_the_shell_completes(shell: str, path: str, tmp_path: Path) -> None:
    command, output = COMPLETES[shell]
    done = subprocess.run(  # noqa: S603 - a shell that was found
        [shell, "-c", command],
        env=environment(PATH=path, HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith(output)
    assert done.stderr == ""


def test_the_shell_completes_options() -> None:
    completed = run(_TRIVERSE_COMPLETE="bash_complete", COMP_WORDS="triverse balance --w", COMP_CWORD="2")
    assert completed.stdout == "plain,--watch\n"
