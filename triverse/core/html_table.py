"""Results as HTML tables, for notebooks."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping

__all__ = ["html_table"]


def html_table(title: str, fields: Mapping[str, object]) -> str:
    """Return a table with one row for each field that has a value. Every text is escaped."""
    rows = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th><td style="text-align:left">{_cell(value)}</td></tr>'
        for name, value in fields.items()
        if value is not None
    )
    return f"<table><caption>{html.escape(title)}</caption><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, str):
        return html.escape(value)
    text = json.dumps(value, ensure_ascii=False, indent=1 if isinstance(value, (dict, list)) else None)
    return f"<pre>{html.escape(text)}</pre>" if "\n" in text else html.escape(text)
