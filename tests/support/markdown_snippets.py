"""Runs the snippets of a Markdown page from top to bottom, as a reader would paste them.

- `python` blocks share one module; they may `await`. With `title="name.py"` a block is also saved under that name,
  and one called `test_….py` is run by pytest.
- A `text` block with `title="Output"` is what the `python` block above it prints; `...` stands for anything.
- `console` blocks are commands; lines without a `$` below a line with one are what it prints.
- `toml`, `yaml` and `json` blocks are parsed, `sh` blocks are checked by `sh -n`. With a title they are also saved.
- `javascript` blocks are run by Node, each on its own, and separately from the others because Node may be missing.
- A block that is not run has its reason in a comment right above it: `<!-- not run: reason -->`.
- A page that needs a library which the package does not use names it in a comment: `<!-- needs: django -->`.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Final, Self

import yaml
from sybil import Document, Example, Region
from sybil.document import PythonDocStringDocument
from sybil.evaluators.python import pad
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from support.plugin import LOAD_PLUGIN

__all__ = ["ROOT", "excused", "needs", "run_docstrings", "run_javascript", "run_page", "snippets"]

ROOT: Final = Path(__file__).parents[2]

_INFO: Final = re.compile(r'(?P<language>[\w-]*)(?:[^"]*\btitle="(?P<title>[^"]+)")?.*')
_EXCUSE: Final = re.compile(r"<!-- not run: \w.+ -->\s*\Z")
_SHOWN_ONLY: Final = frozenset({"text", "diff"})
_ELSEWHERE: Final = frozenset({"javascript"})
_LENIENT: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def fences(document: Document) -> Iterable[Region]:
    """Yield each fenced block with its language, title and source."""
    for region in FencedCodeBlockLexer(r"[^\n]*")(document):
        info = _INFO.fullmatch(region.lexemes["language"])
        assert info is not None
        region.parsed = (info["language"], info["title"], str(region.lexemes["source"]))
        yield region


def blocks(document: Document) -> Iterable[Region]:
    """Yield the blocks that have no reason not to be run."""
    return (region for region in fences(document) if not _EXCUSE.search(document.text[: region.start]))


def snippets(path: Path) -> list[Example]:
    """The blocks of a page that are run, or shown as output."""
    return list(Document.parse(str(path), blocks).examples())


def needs(path: Path) -> list[str]:
    """Return the libraries without which the page cannot be run."""
    return re.findall(r"<!-- needs: (\w+) -->", path.read_text(encoding="utf-8"))


def excused(path: Path) -> int:
    """Return the number of blocks that are not run because of a comment above them."""
    return len(list(Document.parse(str(path), fences).examples())) - len(snippets(path))


class Page:
    """A page that is being run, in its own directory."""

    def __init__(self, directory: Path, printed: Callable[[], str]) -> None:
        self.directory = directory
        self._printed = printed
        self._module = ModuleType("snippets")
        self._loop = asyncio.Runner()
        self._evaluators: dict[str, Callable[[Example, str | None, str], None]] = {
            "python": self._python,
            "console": self._console,
            "toml": self._toml,
            "json": self._json,
            "yaml": self._yaml,
            "sh": self._sh,
        }

    def __enter__(self) -> Self:
        sys.modules[self._module.__name__] = self._module
        # Blocks may import files that blocks above them have saved.
        sys.path.insert(0, str(self.directory))
        importlib.invalidate_caches()
        self._loop.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.close()
        sys.path.remove(str(self.directory))
        for saved in self.directory.glob("*.py"):
            sys.modules.pop(saved.stem, None)
        del sys.modules[self._module.__name__]

    def run(self, example: Example) -> None:
        """Run one block.

        Raises:
            KeyError: its language is not one of those that this class can check.
        """
        language, title, source = example.parsed
        if title is not None and title != "Output":
            (self.directory / title).write_text(source, encoding="utf-8")
        if language == "text" and title == "Output":
            _compare(source, self._printed())
        elif language not in _SHOWN_ONLY | _ELSEWHERE:
            self._evaluators[language](example, title, source)

    def _python(self, example: Example, title: str | None, source: str) -> None:
        if title is not None and title.startswith("test_"):
            self._command(
                shlex.join([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *LOAD_PLUGIN, title])
            )
        else:
            self.paste(pad(source, example.line), example.path)

    def paste(self, source: str, path: str) -> None:
        """Run Python code in the page's module, on its event loop if it awaits."""
        self._printed()
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, path, "exec", flags=flags, dont_inherit=True)
        coroutine = eval(code, vars(self._module))  # noqa: S307 - running the page's code is the point
        if inspect.iscoroutine(coroutine):
            self._loop.run(coroutine)

    def _console(self, _example: Example, _title: str | None, source: str) -> None:
        prompt = "$ " if "$ " in source else ""
        for part in re.split(rf"^{re.escape(prompt)}", source, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            printed = self._command(command)
            if expected.strip():
                _compare(expected, printed)

    def _command(self, line: str) -> str:
        shell = ["sh", "-c", line]
        done = subprocess.run(shell, cwd=self.directory, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - running the page's command is the point
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _toml(self, _example: Example, _title: str | None, source: str) -> None:
        tomllib.loads(source)

    def _json(self, _example: Example, _title: str | None, source: str) -> None:
        json.loads(source)

    def _yaml(self, _example: Example, _title: str | None, source: str) -> None:
        yaml.safe_load(source)

    def _sh(self, _example: Example, _title: str | None, source: str) -> None:
        self._command(f"sh -n <<'EOF'\n{source}EOF")

    def javascript(self, source: str) -> None:
        """Run a JavaScript module."""
        (self.directory / "sample.mjs").write_text(source, encoding="utf-8")
        self._command("node sample.mjs")


def _compare(expected: str, printed: str) -> None:
    same = doctest.OutputChecker().check_output(expected, printed, _LENIENT)
    assert same, f"the page shows:\n{expected}\nbut it printed:\n{printed}"


def run_page(path: Path, directory: Path, printed: Callable[[], str]) -> None:
    """Run each block of a page, in order. `printed` returns the output since its last call."""
    with Page(directory, printed) as page:
        for example in snippets(path):
            page.run(example)


def run_javascript(path: Path, directory: Path, printed: Callable[[], str]) -> None:
    """Run the JavaScript of a page. Needs Node."""
    with Page(directory, printed) as page:
        for example in snippets(path):
            language, _, source = example.parsed
            if language == "javascript":
                page.javascript(source)


def run_docstrings(path: Path, directory: Path, printed: Callable[[], str]) -> None:
    """Run each example in the docstrings of a module, on its own, with the public names and a `client` at hand."""
    for example in PythonDocStringDocument.parse(str(path), blocks).examples():
        _, _, source = example.parsed
        asynchronous = "async " in source or "await " in source
        with Page(directory, printed) as page:
            page.paste(f"from triverse import *; client = {'Async' * asynchronous}Triverse()", str(path))
            page.run(example)
            page.paste("await client.aclose()" if asynchronous else "client.close()", str(path))
