from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triverse.sandbox.multipart import MultipartError, boundary_of, parts_of


def body_of(boundary: bytes, *parts: tuple[bytes, bytes], preamble: bytes = b"") -> io.BytesIO:
    """Return a body of parts with these headers and contents."""
    lines = [b"\r\n--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content for head, content in parts]
    return io.BytesIO(
        preamble + b"".join(lines).removeprefix(b"" if preamble else b"\r\n") + b"\r\n--" + boundary + b"--\r\n"
    )


def read(file: io.BytesIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


@given(
    contents=st.lists(st.binary(max_size=200) | st.just(b"\r\n--X") | st.just(b"\r\n--B-not"), min_size=1, max_size=5),
    preamble=st.sampled_from([b"", b"This is ignored."]),
)
def test_the_content_of_each_part_is_found(contents: list[bytes], preamble: bytes) -> None:
    boundary = b"B0undary-that-no-content-has"
    file = body_of(
        boundary, *((b'Content-Disposition: form-data; name="f"', content) for content in contents), preamble=preamble
    )
    parts = parts_of(file, boundary)
    assert [read(file, part.start, part.size) for part in parts] == contents
    assert {part.parameter("name") for part in parts} == {"f"}


@pytest.mark.parametrize("size", [256 * 1024 - 3, 256 * 1024, 1024 * 1024 + 7])
@pytest.mark.parametrize("shift", range(-9, 10, 3))
def test_a_boundary_may_lie_across_two_reads(size: int, shift: int) -> None:
    content = b"\r\n" * ((size + shift) // 2)
    file = body_of(b"B", (b"A: b", content), (b"A: c", b"second"))
    first, second = parts_of(file, b"B")
    assert (first.size, read(file, second.start, second.size)) == (len(content), b"second")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('form-data; name="file"; filename="a.png"', "a.png"),
        ('form-data; name="file"; filename="a\\"b\\\\c.png"', 'a"b\\c.png'),
        ("form-data; name=file; filename=a.png", "a.png"),
        ('form-data; name="file"; FILENAME="ä.png"', "ä.png"),
        ('form-data; name="file"', None),
    ],
)
def test_a_file_name_is_read(header: str, name: str | None) -> None:
    (part,) = parts_of(body_of(b"B", (b"Content-Disposition: " + header.encode(), b"")), b"B")
    assert (part.parameter("name"), part.parameter("filename")) == ("file", name)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b:c"', b"a b:c"),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=a"])
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(MultipartError, match="multipart/form-data"):
        boundary_of(content_type)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "no parts"),
        (b"--B\r\nA: b\r\n\r\ncontent", "incomplete"),
        (b"--B\r\nno end of headers\r\n--B--", "headers"),
        (b"--B\r\nA: " + b"x" * 70_000 + b"\r\n\r\n\r\n--B--", "headers"),
        (b"--B\r\nA: b\r\n\r\n\r\n" * 101 + b"--B--", "too many"),
    ],
    ids=["empty", "cut", "no headers", "long headers", "many parts"],
)
def test_a_damaged_body_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(MultipartError, match=problem):
        parts_of(io.BytesIO(body), b"B")


@given(body=st.binary(max_size=300), boundary=st.binary(min_size=1, max_size=3))
def test_any_bytes_are_parts_or_an_error(body: bytes, boundary: bytes) -> None:
    try:
        parts = parts_of(io.BytesIO(body), boundary)
    except MultipartError:
        return
    assert all(0 <= part.start <= part.start + part.size <= len(body) for part in parts)
