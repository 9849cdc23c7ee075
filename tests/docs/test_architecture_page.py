"""The architecture page names files and packages that exist."""

from __future__ import annotations

import re

from support.markdown_snippets import ROOT

PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "triverse"


def test_a_call_is_followed_through_at_most_ten_files_that_exist() -> None:
    files = re.findall(r"^\| `([\w/]+\.py)` \|", PAGE, re.MULTILINE)
    assert 0 < len(files) <= 10
    assert [name for name in files if not (PACKAGE / name).is_file()] == []


def test_the_names_to_read_are_in_their_files() -> None:
    for name, text in re.findall(r"^\| `([\w/]+\.py)` \| (.+) \|$", PAGE, re.MULTILINE):
        source = (PACKAGE / name).read_text(encoding="utf-8")
        for shown in re.findall(r"`(?:\w+\.)?(\w+)(?:\(\))?`", text.partition(":")[0]):
            assert re.search(rf"(?:def|class) {shown}\b", source), (name, shown)


def test_the_table_names_each_package() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert packages <= set(re.findall(r"`triverse/(\w+)/`", PAGE))
