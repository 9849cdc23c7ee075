from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.files import GIF, JPEG, PNG, ZIP, glb

from triverse.core.file_content import ContentError, FileContent
from triverse.core.file_types import HEAD_BYTES, describe, detect


def take(
    data: bytes, *, total: int | None = None, content_type: str = "", must_be_glb: bool = False, size: int = 7
) -> tuple[bytes, bool]:
    """Pass the data in parts. Return the bytes that were passed on, and whether they are complete."""
    content = FileContent(total, content_type, must_be_glb=must_be_glb)
    handed = b"".join(content.take(data[offset : offset + size]) for offset in range(0, len(data), size))
    return handed + content.end(), content.complete


@pytest.mark.parametrize(
    "data", [glb(), PNG, JPEG, ZIP, GIF, b"x", b"<svg>" * 999, b'{"asset": {}}', b"[1]", b"{", b'{"a": ' * 30000]
)
@pytest.mark.parametrize("size", [1, 7, 64, 65536])
def test_a_file_is_handed_on_whole(data: bytes, size: int) -> None:
    assert take(data, size=size) == (data, True)
    assert take(data, total=len(data), size=size) == (data, True)


@given(st.binary(min_size=1, max_size=3000), st.integers(1, 3000))
@example(b"glTF", 1)
def test_any_bytes_are_handed_on_whole_or_refused(data: bytes, size: int) -> None:
    try:
        handed, complete = take(data, size=size)
    except ContentError:
        return
    # If only a part of the header of a GLB came, the transfer broke off.
    assert handed == data or not complete


def message(code: object = 4042) -> dict[str, object]:
    return {"code": code, "message": "no assets", "suggestion": "x" * 100}


PAGES = {
    "page": b"<!DOCTYPE html><html><body>login</body></html>",
    "upper case": b"<HTML>",
    "page after blanks": b"\r\n \xef\xbb\xbf<!doctype  html>",
    "page in XML": b'<?xml version="1.0"?>\n<html xmlns="x">',
    "page after a comment": b"<!-- x --><html >",
    "envelope": json.dumps(message()).encode(),
    "envelope in other order": json.dumps(dict(reversed(message().items()))).encode(),
    "envelope of a success": b'{"code": 0, "message": "success", "data": {}}',
    "long envelope": json.dumps({**message(), "message": "x" * 200_000}).encode(),
    "envelope after a byte order mark": b"\xef\xbb\xbf" + json.dumps(message()).encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("size", [5, 65536])
def test_a_web_page_or_a_json_message_is_no_file(kind: str, size: int) -> None:
    with pytest.raises(ContentError, match=r"HTML page|JSON message|is empty"):
        take(PAGES[kind], size=size)


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_the_content_type_of_a_page_counts_unless_the_bytes_are_known(content_type: str) -> None:
    with pytest.raises(ContentError, match="HTML page"):
        take(b"anything", content_type=content_type)
    assert take(PNG, content_type=content_type) == (PNG, True)


@pytest.mark.parametrize(
    "data", [b'{"code": "x", "message": ""}', b'{"code": true, "message": ""}', b'{"code": 1}', b"{" * 60000]
)
def test_other_json_is_a_file(data: bytes) -> None:
    if not data.startswith(b'{"code": 1'):
        assert take(data) == (data, True)


@pytest.mark.parametrize("data", [PNG, JPEG, ZIP, GIF, b"short", b"x" * 100])
def test_a_target_named_glb_takes_nothing_else(data: bytes) -> None:
    with pytest.raises(ContentError, match=r"is (a|an) .*, but the target is named \.glb\. Pass a directory"):
        take(data, must_be_glb=True)
    assert take(glb(), must_be_glb=True) == (glb(), True)


def test_a_wrong_type_is_refused_after_the_first_bytes() -> None:
    content = FileContent(10_000_000, "", must_be_glb=True)
    with pytest.raises(ContentError, match="PNG"):
        content.take(PNG[:40])


@pytest.mark.parametrize("stated", [999, 1001, 12, 2**32 - 1])
def test_a_glb_that_disagrees_with_content_length_is_refused_at_once(stated: int) -> None:
    content = FileContent(1000, "", must_be_glb=False)
    with pytest.raises(ContentError, match=f"1,000 bytes long, but its header contains the length {stated:,}"):
        content.take(glb(1000, stated=stated)[:50])


def test_without_content_length_a_glb_is_as_long_as_in_its_header() -> None:
    assert take(glb(1000)) == (glb(1000), True)
    assert take(glb(1000, stated=1001)) == (glb(1000, stated=1001), False)
    with pytest.raises(ContentError, match="longer than the 999 bytes in the header of the GLB"):
        take(glb(1000, stated=999))


def test_fewer_bytes_than_content_length_are_incomplete_and_more_are_refused() -> None:
    assert take(b"x" * 99, total=100) == (b"x" * 99, False)
    with pytest.raises(ContentError, match="longer than the 98 bytes in Content-Length"):
        take(b"x" * 99, total=98)


def test_the_buffered_bytes_of_an_incomplete_file_are_not_handed_on() -> None:
    assert take(b"x" * 20, total=100) == (b"", False)
    assert take(b"glTF\x02\x00\x00\x00", total=100) == (b"", False)


def test_a_glb_that_ends_within_its_header_is_refused() -> None:
    with pytest.raises(ContentError, match="ends within its header"):
        take(b"glTF\x02\x00\x00\x00", total=8)


def test_without_content_length_a_part_of_the_header_of_a_glb_is_incomplete() -> None:
    assert take(b"glTF\x02\x00\x00\x00") == (b"", False)
    assert take(b"glTF") == (b"", False)
    assert take(glb()[:12]) == (glb()[:12], False)


def test_messages_name_the_type() -> None:
    assert describe(glb()) == "a GLB model"
    assert describe(b"\x00\x00\x00\x20ftypavif") == "a HEIC or AVIF image"
    assert describe(b"  <svg>") == "HTML, XML or SVG text"
    assert describe(b"MM\x00*") == "a TIFF image"
    assert describe(b"what") == "a file of an unknown type"
    assert describe(b"\x00\x00\x00\x20ftypheic\x00\x00\x00\x00") == "a HEIC or AVIF image"
    assert describe(b"\x00\x00\x00\x20whatheic") == "a file of an unknown type"
    assert describe(b"\xef\xbb\xbf{}") == "JSON text"
    assert describe(b"X<svg>") == "a file of an unknown type"


REMEDY = "Pass a directory, which lets the name follow the content, or another name"


def test_the_type_is_not_known_before_the_first_bytes() -> None:
    content = FileContent(None, "", must_be_glb=False)
    assert content.decided is False
    assert content.file_type is None


def test_a_file_is_decided_by_as_few_bytes_as_show_its_type() -> None:
    content = FileContent(None, "", must_be_glb=False)
    assert content.take(b"x" * (HEAD_BYTES - 1)) == b""
    assert content.take(b"x") == b"x" * HEAD_BYTES
    assert content.decided is True


@pytest.mark.parametrize("before", [b"", b" \r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(("start", "size"), [(b"<?xml version='1.0'?>", 1024), (b"{'asset': {", 65536)])
def test_text_is_held_back_as_long_as_it_may_be_a_page_or_a_message(before: bytes, start: bytes, size: int) -> None:
    content, data = FileContent(None, "", must_be_glb=False), (before + start).ljust(size, b".")
    assert content.take(data[:-1]) == b""
    assert content.take(data[-1:]) == data


@pytest.mark.parametrize(
    ("data", "options", "problem"),
    [
        (b"<html>", {}, "the content is an HTML page"),
        (b'{"code": 1, "message": "no"}', {}, "the content is a JSON message of the service, not a file"),
        (b"", {}, "the content is empty"),
        (b"glTF\x02\x00\x00\x00", {"total": 8}, "the content is a GLB that ends within its header"),
        (
            PNG,
            {"must_be_glb": True},
            f"the content is a PNG image, but the target is named .glb. {REMEDY}",
        ),
    ],
)
def test_the_reason_is_one_sentence_or_two(data: bytes, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ContentError) as refused:
        take(data, **options)
    assert str(refused.value) == problem


def test_a_type_with_two_marks_needs_both() -> None:
    assert detect(b"RIFF\x00\x00\x00\x00WAVEfmt ") is None
    assert detect(b"what\x00\x00\x00\x00WEBPVP8 ") is None
    assert describe(b"\x00\x00\x00\x20ftypisom") == "a file of an unknown type"
