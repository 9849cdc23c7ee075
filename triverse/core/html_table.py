"""Results as HTML tables, for notebooks."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Final

__all__ = ["html_table"]

_QUERY: Final = re.compile(r"""(https?://[^\s?"]*)\?[^\s"]+""")


def html_table(title: str, fields: Mapping[str, object]) -> str:
    """Return a table with one row for each field that has a value. Every text is escaped.

    URLs have no query: it may be a signature that gives access, and notebooks are shared with what they show.
    """
    rows = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th><td style="text-align:left">{_cell(value)}</td></tr>'
        for name, value in fields.items()
        if value is not None
    )
    return f"<table><caption>{html.escape(title)}</caption><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, str):
        return html.escape(_QUERY.sub(r"\1?…", value))
    text = json.dumps(value, ensure_ascii=False, indent=1)
    text = _QUERY.sub(r"\1?…", text)
    return f"<pre>{html.escape(text)}</pre>" if "\n" in text else html.escape(text)
