"""The code in the README and in the documentation runs, and prints the output shown there."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.markdown_snippets import ROOT, excused, needs, run_docstrings, run_javascript, run_page, snippets
from support.shell import COMMAND
from support.tls import authority

from triverse.sandbox import Sandbox

MODULES = sorted(path for path in ROOT.glob("triverse/**/*.py") if "```" in path.read_text(encoding="utf-8"))
PAGES_OF_THE_SITE = sorted(ROOT.glob("docs/**/*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *PAGES_OF_THE_SITE]
WITH_JAVASCRIPT = [page for page in PAGES if "```javascript" in page.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Sandbox, str]]:
    """A served sandbox and its base URL."""
    sandbox = Sandbox()
    with sandbox.serve() as url:
        yield sandbox, url


@pytest.fixture
def reader(served: tuple[Sandbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, with a key and the base URL in the environment, and `triverse` on the path.

    There are also fish's directory for completions, and the certificate of a CA. Each page has its own account, because
    pages create tasks that cost credits.
    """
    sandbox, url = served
    account = sandbox.add_account(email="ada@example.com", plan_name="Pro", api_credits=120.0, web_credits=10.0)
    command = tmp_path / "bin" / "triverse"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    desk = tmp_path / "desk"
    desk.mkdir()
    (tmp_path / ".config" / "fish" / "completions").mkdir(parents=True)
    authority().cert_pem.write_to_path(str(desk / "our-ca.pem"))
    for name, value in {
        "TRIVERSE_BASE_URL": url,
        "TRIVERSE_API_KEY": account.key,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / ".config"),
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    monkeypatch.chdir(desk)
    return desk


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Restore the logger after each page."""
    logger = logging.getLogger("triverse")
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_snippet_of_the_page_runs(page: Path, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for library in needs(page):
        pytest.importorskip(library, reason=f"{library} is not installed: it is in the dependency group `cookbook`")
    run_page(page, reader, lambda: capsys.readouterr().out)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_of_the_page_is_skipped(page: Path) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(snippets(page)) + excused(page) == len(fences) / 2


@pytest.mark.parametrize("page", PAGES_OF_THE_SITE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_of_code_is_wider_than_a_block_on_a_screen_of_1280_pixels(page: Path) -> None:
    for example in snippets(page):
        language, title, source = example.parsed
        # The site wraps shell sessions, outputs and the patch.
        if language not in {"console", "diff"} and title != "Output":
            assert [line for line in source.splitlines() if len(line) > 84] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="Node runs JavaScript, and is not installed")
@pytest.mark.parametrize("page", WITH_JAVASCRIPT, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_javascript_of_the_page_runs(page: Path, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_javascript(page, reader, lambda: capsys.readouterr().out)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_every_example_in_a_docstring_runs(
    module: Path, reader: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its own account: the examples spend credits.
    sandbox = Sandbox(task_seconds=0.2)
    with sandbox.serve() as url:
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        monkeypatch.setenv("TRIVERSE_API_KEY", sandbox.demo.key)
        run_docstrings(module, reader, lambda: capsys.readouterr().out)
