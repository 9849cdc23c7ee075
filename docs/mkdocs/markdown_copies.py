"""Prepare a page for its Markdown copy."""

from __future__ import annotations

from bs4 import BeautifulSoup


def preprocess(soup: BeautifulSoup, _output: str) -> None:
    """Remove ornaments, and replace drawings and tabs by text."""
    for drawing in soup.select("svg[role=img]"):
        drawing.replace_with(f"[Picture: {drawing['aria-label']}]")
    for ornament in soup.select("a.headerlink, .twemoji, .doc-labels, input"):
        ornament.decompose()
    for wrapper in soup.select(
        "autoref, .doc-md-description, .doc-md-description p"
    ):
        wrapper.unwrap()
    for tabs in soup.select(".tabbed-set"):
        for label, block in zip(
            tabs.select(".tabbed-labels label"),
            tabs.select(".tabbed-block"),
            strict=True,
        ):
            block.insert(
                0,
                BeautifulSoup(
                    f"<p><strong>{label.get_text()}</strong></p>", "html.parser"
                ),
            )
        for labels in tabs.select(".tabbed-labels"):
            labels.decompose()
