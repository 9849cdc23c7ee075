from __future__ import annotations

import re
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from triverse.core.multipart import BodyStoppedError, MultipartBody, encode_filename
from triverse.core.progress import Progress


@frozen
class Bytes:
    data: bytes
    error: Exception | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        for offset in range(0, len(self.data), 10):
            yield self.data[offset : offset + 10]
        if self.error is not None:
            raise self.error


def body_of(source: Bytes, name: str = "x.png", seen: list[Progress] | None = None) -> MultipartBody:
    report = None if seen is None else seen.append
    return MultipartBody(source, filename=name, content_type="image/png", boundary="edge", on_progress=report)


@pytest.mark.parametrize("size", [1, 9, 10, 11, 100])
def test_the_length_is_exact_and_each_iteration_has_the_same_bytes(size: int) -> None:
    body = body_of(Bytes(b"x" * size))
    first = b"".join(body.chunks())
    assert len(first) == body.content_length
    assert b"".join(body.chunks()) == first
    assert b"\r\n\r\n" + b"x" * size + b"\r\n--edge--\r\n" in first


NAMES = [
    "Säule.png",
    'a"b.png',
    "a\r\nContent-Type: text/html\r\n\r\n.png",
    "x" * 4096 + ".png",
    "\x00\x1f.png",
    "名.png",
    "\udcff.png",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_file_name_leaves_one_part_with_its_own_headers(name: str) -> None:
    data = b"".join(body_of(Bytes(b"data"), name).chunks())
    head = b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
    (part,) = BytesParser(policy=HTTP).parsebytes(head + data).iter_parts()
    assert part.get_content_type() == "image/png"
    assert part.get_payload(decode=True) == b"data"
    assert len(data) < 600


@given(st.text(max_size=500))
def test_an_encoded_name_is_short_and_fits_between_quotes(name: str) -> None:
    encoded = encode_filename(name)
    assert not re.search(r'["\x00-\x1f\x7f]', encoded)
    assert len(encoded.encode()) <= 200


def test_a_short_name_keeps_its_characters_and_a_long_one_its_suffix() -> None:
    assert encode_filename("Säule.PNG") == "Säule.PNG"
    assert encode_filename('a"b\r\n.png') == "a%22b%0D%0A.png"
    assert encode_filename("x" * 4096 + ".jpeg").endswith("xx.jpeg")
    assert encode_filename("x." + "y" * 4096) == "x." + "y" * 198


def send(body: MultipartBody) -> None:
    sent = 0
    for chunk in body.chunks():
        sent += len(chunk)
        assert body.progress(sent) is None


def test_progress_counts_the_bytes_of_the_file() -> None:
    seen: list[Progress] = []
    send(body_of(Bytes(b"x" * 25), seen=seen))
    assert seen == [(10, 25), (20, 25), (25, 25)]


def test_an_error_of_the_source_is_kept_without_a_link_to_the_raised_one() -> None:
    error = OSError("disk")
    body = body_of(Bytes(b"x" * 25, error))
    with pytest.raises(BodyStoppedError) as stopped:
        send(body)
    assert body.failure is error
    assert stopped.value.__context__ is None


def failing(_: Progress) -> None:
    raise LookupError


def test_an_error_of_the_callback_is_kept() -> None:
    body = MultipartBody(Bytes(b"x"), filename="x", content_type="x/y", boundary="edge", on_progress=failing)
    with pytest.raises(BodyStoppedError) as stopped:
        send(body)
    assert isinstance(body.failure, LookupError)
    assert stopped.value.__context__ is None


@pytest.mark.parametrize("fails", [False, True])
def test_an_asynchronous_callback_is_returned_to_be_awaited(fails: bool) -> None:  # noqa: FBT001 - a parameter
    async def report(_: Progress) -> None:
        if fails:
            raise LookupError

    body = MultipartBody(Bytes(b"x"), filename="x", content_type="x/y", boundary="edge", on_progress=report)
    chunks = body.chunks()
    pending = body.progress(len(next(chunks)) + len(next(chunks)))
    assert pending is not None
    with pytest.raises(BodyStoppedError if fails else StopIteration) as raised:
        pending.__await__().send(None)
    assert raised.value.__context__ is None
    assert isinstance(body.failure, LookupError) == fails
