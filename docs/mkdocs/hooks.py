"""Prepares pages for the site, and checks the built site.

The checks: every public name is documented and in the reference, every page has a
Markdown copy, and no page loads anything from another host.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import figures
import griffe

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# The modules that users import from, beside the package itself and its groups of requests.
PUBLIC_MODULES = ["fastapi", "sandbox", "pytest_plugin"]

_LOADS = r"""(?:src=["']?|<link [^>]*(?:stylesheet|icon|pre\w+)[^>]*href=["']?|url\(["']?|@import ["'])"""
_LOADED_FROM_ELSEWHERE = re.compile(_LOADS + r"""((?:https?:)?//[^"'> )]+)""")

log = logging.getLogger("mkdocs.hooks.checks")


def on_config(config: MkDocsConfig) -> None:
    """Add the generated evidence pages to the navigation, and the version to the header."""
    written = sorted(
        path.name for path in (Path(config.docs_dir) / "evidence").glob("*.md")
    )
    pages = [f"evidence/{name}" for name in written if name != "index.md"]
    # Before the last section, which is about the project itself.
    config.nav.insert(
        len(config.nav) - 1,
        {"Evidence": [{"Overview": "evidence/index.md"}, *pages]},
    )
    version = re.search(
        r'"([\d.]+)"', (ROOT / "triverse" / "_version.py").read_text("utf-8")
    )
    config.extra["release"] = version[1] if version else ""
    # The theme shows its `source` partial if there is a repository; ours has the version and the licence.
    config.repo_url = "."


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, **_kwargs: object
) -> str:
    """Fill in the files, lists and figures that a page names in a comment."""
    docs = Path(config.docs_dir)
    markdown = re.sub(
        r"<!-- file: (\S+) -->", lambda found: _file(found[1]), markdown
    )
    markdown = markdown.replace(
        "<!-- each evidence page, with its first sentence -->",
        "\n".join(_evidence(docs)),
    )
    if page.file.src_uri == "index.md":
        markdown = markdown.replace(
            "<!-- three figures of the evidence pages -->",
            figures.cards(docs / "evidence"),
        )
    return markdown


def _file(name: str) -> str:
    """Return a file of the repository's root as it is, with its links made relative to `docs/project/`."""
    text = (ROOT / name).read_text("utf-8")
    if not name.endswith(".md"):
        return f"```text\n{text}```"
    text = re.sub(r"\]\(docs/", "](../", text)
    return re.sub(r"\]\(([A-Z]+)\.md", lambda link: f"]({link[1].lower()}.md", text)


def _evidence(docs: Path) -> Iterator[str]:
    for path in sorted((docs / "evidence").glob("*.md")):
        title, _, text = path.read_text("utf-8").partition("\n")
        if path.name != "index.md":
            sentence = re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0]
            yield f"- **[{title.strip('# ')}]({path.name}).** {' '.join(sentence.split())}"


def on_page_content(html: str, page: Page, **_kwargs: object) -> str:
    """Mark options and tables for the style sheet: tables of figures, and tables that a phone shows row by row."""
    html = html.replace("<code>--", "<code data-option>--")
    if page.file.src_uri.startswith("evidence/"):
        # These tables contain every name and would outrank the pages that explain it.
        page.meta["search"] = {"boost": 0.1}
        page.meta["hide"] = ["toc"]
        return html.replace("<table>", "<table data-figures>")
    return re.sub(r"<table>.*?</table>", _labelled, html, flags=re.DOTALL)


def _labelled(table: re.Match[str]) -> str:
    """Return the table with the name of its column on each cell, if there are more than two columns."""
    heads = [
        re.sub("<[^>]+>", "", head)
        for head in re.findall(r"<th[^>]*>(.*?)</th>", table[0], flags=re.DOTALL)
    ]
    marked = table[0].replace("<table>", "<table data-rows>")
    if len(heads) == 2:  # noqa: PLR2004 - a name and its description need no labels
        return marked
    labels = itertools.cycle(heads)
    return re.sub("<td", lambda _: f'<td data-label="{next(labels)}"', marked)


def on_post_build(config: MkDocsConfig) -> None:
    """Warn about what is wrong; a warning fails a strict build."""
    site = Path(config.site_dir)
    _check_reference(site)
    for path in site.rglob("*.html"):
        if path.name != "404.html" and not path.with_suffix(".md").exists():
            log.warning(
                "%s has no Markdown copy: add it to the sections of llmstxt",
                path.relative_to(site),
            )
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        for url in _LOADED_FROM_ELSEWHERE.findall(path.read_text("utf-8")):
            log.warning("%s loads %s", path.relative_to(site), url)


def _check_reference(site: Path) -> None:
    pages = (site / "reference").glob("*.html")
    shown = {
        name
        for page in pages
        for name in re.findall(r'id="(triverse[\w.]*)"', page.read_text("utf-8"))
    }
    package = griffe.load(
        "triverse", search_paths=[ROOT], docstring_parser="google"
    )
    places: dict[str, set[str]] = {}
    groups = [
        f"api.{group}" for group in importlib.import_module("triverse.api").__all__
    ]
    for module in (
        package,
        *(package[name] for name in (*PUBLIC_MODULES, *groups)),
    ):
        for path, item in _public(module):
            if item.docstring is None:
                log.warning("%s has no docstring", path)
            places.setdefault(item.canonical_path, set()).add(path)
    for canonical, paths in places.items():
        if not shown & {canonical, *paths}:
            log.warning("%s is not in the reference", min(paths, key=len))


def _public(module: griffe.Module) -> Iterator[tuple[str, griffe.Object]]:
    """Yield exported names with their objects, and public members of exported classes."""
    # Read at run time: `triverse/__init__.py` makes its `__all__` from a table, which griffe does not evaluate.
    for name in importlib.import_module(module.path).__all__:
        item = _target(module[name])
        yield f"{module.path}.{name}", item
        if isinstance(item, griffe.Class):
            for member in map(_target, item.all_members.values()):
                if (
                    member.is_public
                    and not member.is_special
                    and not _is_described_elsewhere(item, member)
                ):
                    yield f"{module.path}.{name}.{member.name}", member


def _target(item: griffe.Object | griffe.Alias) -> griffe.Object:
    return item.final_target if isinstance(item, griffe.Alias) else item


def _is_described_elsewhere(owner: griffe.Class, member: griffe.Object) -> bool:
    """Return whether the docstring of the class or of a base describes it, or a base documents what it overrides."""
    bases = [
        base for base in owner.mro() if base.canonical_path.startswith("triverse.")
    ]
    if any(member.name in _described_attributes(cls) for cls in (owner, *bases)):
        return True
    overridden = [
        base.members[member.name] for base in bases if member.name in base.members
    ]
    return any(
        _target(item).docstring and _target(item) is not member
        for item in overridden
    )


def _described_attributes(cls: griffe.Class) -> set[str]:
    sections = cls.docstring.parsed if cls.docstring else []
    attributes = [
        s for s in sections if isinstance(s, griffe.DocstringSectionAttributes)
    ]
    return {attribute.name for section in attributes for attribute in section.value}
