from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from triverse import Asset, UserBalance
from triverse.core.html_table import html_table


def rows(table: str) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in ET.fromstring(table).iter("tr")]  # noqa: S314 - our own text


def test_a_notebook_shows_a_result_as_a_table() -> None:
    table = UserBalance(100.5, 2.0)._repr_html_()  # pyright: ignore[reportPrivateUsage]  # IPython's protocol
    assert ET.fromstring(table).findtext("caption") == "UserBalance"  # noqa: S314 - our own text
    assert rows(table) == [["balance", "100.5"], ["frozen", "2.0"]]


def test_fields_without_a_value_have_no_row_and_objects_are_indented() -> None:
    table = html_table("Task", {"error": None, "input": {"a": [1]}, "ok": True})
    assert rows(table) == [["input", '{\n "a": [\n  1\n ]\n}'], ["ok", "true"]]
    assert ET.fromstring(table).findtext("caption") == "Task"  # noqa: S314 - our own text


def test_a_table_is_plain_markup_with_each_text_as_it_is() -> None:
    table = html_table("Task", {"name": "S\u00e4ule", "progress": 1.5, "input": {"a": "\u00e4"}, "tags": []})
    left = 'style="text-align:left"'
    assert table == (
        "<table><caption>Task</caption><tbody>"
        f"<tr><th {left}>name</th><td {left}>S\u00e4ule</td></tr>"
        f"<tr><th {left}>progress</th><td {left}>1.5</td></tr>"
        f"<tr><th {left}>input</th><td {left}><pre>{{\n &quot;a&quot;: &quot;\u00e4&quot;\n}}</pre></td></tr>"
        f"<tr><th {left}>tags</th><td {left}>[]</td></tr>"
        "</tbody></table>"
    )


def test_urls_are_shown_without_their_query() -> None:
    signed = "https://files.example/a.glb?signature=secret&hops=0"
    asset = Asset(signed, f"{signed}&preview", kind="model?")
    shown = asset._repr_html_()  # pyright: ignore[reportPrivateUsage]  # IPython's protocol
    assert rows(shown) == [
        ["download_url", "https://files.example/a.glb?…"],
        ["preview_url", "https://files.example/a.glb?…"],
        ["kind", "model?"],
    ]
    table = html_table("Task", {"input": {"image_url": signed, "prompt": "helmet? yes", "turbo": True}})
    assert "secret" not in table
    assert '"image_url": "https://files.example/a.glb?…",\n "prompt": "helmet? yes",' in rows(table)[0][1]


@given(
    st.dictionaries(st.sampled_from("ab<"), st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"])))
)
def test_no_text_of_the_service_becomes_markup(fields: dict[str, str]) -> None:
    assert rows(html_table("<b>", fields)) == [[name, value] for name, value in fields.items()]
