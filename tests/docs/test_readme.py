"""The first commands of a new user."""

from __future__ import annotations

import re
import tomllib

import pytest
from support.markdown_snippets import ROOT
from support.shell import run

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    'python3 -m venv .venv && .venv/bin/pip install ".[cli]" && .venv/bin/triverse balance --sandbox',
    "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox",
]
PAGES = [README, *(page.read_text(encoding="utf-8") for page in sorted(ROOT.glob("docs/**/*.md")))]


def test_the_two_commands_come_first() -> None:
    consoles = re.findall(r"```console\n(.*?)\n```", README, flags=re.DOTALL)

    assert consoles[:2] == COMMANDS
    assert README.index(COMMANDS[1]) < README.index("\n## ")


def test_the_first_command_ends_with_a_balance() -> None:
    *_, command = COMMANDS[0].split(" && ")
    _, *arguments = command.split()

    done = run(*arguments)

    assert done.returncode == 0, done.stderr
    assert re.search(r"\d", done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.partition("\n")[0].strip("# "))
def test_extras_that_a_page_installs_exist(page: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r'(?:"\.|triverse)\[([\w,]+)\]', page)

    assert {extra for names in named for extra in names.split(",")} <= set(project["optional-dependencies"])


def test_the_targets_of_links_in_the_readme_exist() -> None:
    links = re.findall(r"\]\((?!https://)([^)#]+)", README)

    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []
