from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from triverse import UserBalance
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


@given(
    st.dictionaries(st.sampled_from("ab<"), st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"])))
)
def test_no_text_of_the_service_becomes_markup(fields: dict[str, str]) -> None:
    assert rows(html_table("<b>", fields)) == [[name, value] for name, value in fields.items()]
