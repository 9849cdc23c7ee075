from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import BALANCE, balance_call, error_of, reply

from triverse import InvalidResponseError, TriverseError, UserBalance
from triverse.core.attempt import Reply
from triverse.core.headers import Headers
from triverse.core.response_body import MAX_BODY_BYTES, BodyError, parse

ENVELOPE = json.dumps({"code": 0, "message": "success", "data": BALANCE}).encode()


def problem(body: bytes, encoding: str | None = None) -> str:
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    error = error_of(reply(body=body, headers=headers))
    assert isinstance(error, InvalidResponseError), repr(error)
    assert error.path is None
    return (
        str(error).partition(" (HTTP 200): ")[2].removesuffix(". Check the base URL; if it is correct, update triverse")
    )


def padded(size: int) -> bytes:
    return ENVELOPE + b" " * (size - len(ENVELOPE))


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_json_is_read_with_and_without_a_byte_order_mark(bom: bytes) -> None:
    assert balance_call().response(reply(body=bom + ENVELOPE)).data == UserBalance(100.5, 2.0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the response body is empty"),
        (b" \r\n\t", "the response body is empty"),
        (b"<html>", "the response body is not JSON"),
        (b"{", "the response body is not JSON"),
        (ENVELOPE + b"}", "the response body is not JSON"),
        (b"\xff\xfe\xff", "the response body is not JSON"),
        (b'"\xe9"', "the response body is not JSON"),
        (b"[" * 200_000, "the response body is nested too deep"),
        (b"[" * 200_000 + b"]" * 200_000, "the response body is nested too deep"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "the response body is nested too deep"),
    ],
)
def test_a_body_that_is_not_json_is_reported(body: bytes, message: str) -> None:
    assert problem(body) == message


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (b'{"code": %s}', "code"),
        (b'{"code": 0, "data": {"balance": %s, "frozen": 2}}', "data.balance"),
        (b'{"code": 0, "data": {"balance": 1, "frozen": 2, "more": [{"x": -%s}]}}', "data.more[0].x"),
    ],
)
def test_an_integer_of_too_many_digits_is_reported_by_its_path(place: bytes, path: str) -> None:
    error = error_of(reply(body=place % (b"9" * 5000)))
    assert isinstance(error, InvalidResponseError)
    assert error.path == path
    assert "number, got Infinity" in str(error)


def test_an_integer_of_too_many_digits_in_an_ignored_field_does_no_harm() -> None:
    body = ENVELOPE.replace(b"{", b'{"trace": ' + b"9" * 5000 + b", ", 1)
    assert balance_call().response(reply(body=body)).data == UserBalance(100.5, 2.0)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip ", "x-gzip", "deflate", "identity", ""])
def test_a_compressed_body_is_read(encoding: str) -> None:
    name = encoding.strip().lower()
    body = {"deflate": zlib.compress(ENVELOPE), "identity": ENVELOPE, "": ENVELOPE}.get(
        name, gzip.compress(ENVELOPE, mtime=0)
    )
    call = balance_call()
    assert call.response(reply(body=body, headers={"Content-Encoding": encoding})).data == UserBalance(100.5, 2.0)


def test_an_empty_body_is_empty_with_any_encoding() -> None:
    assert problem(b"", "gzip") == "the response body is empty"


@pytest.mark.parametrize(
    "body",
    [
        ENVELOPE,
        gzip.compress(ENVELOPE, mtime=0)[:-9],
        gzip.compress(ENVELOPE, mtime=0)[:10],
        gzip.compress(ENVELOPE, mtime=0)[:-8] + b"\0" * 8,
        gzip.compress(ENVELOPE, mtime=0) + b"and more",
        gzip.compress(ENVELOPE, mtime=0) + gzip.compress(b" "),
        b"\x1f\x8b",
    ],
)
def test_a_damaged_compressed_body_is_reported(body: bytes) -> None:
    assert problem(body, "gzip") == "the response body is damaged: it does not decompress"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_an_encoding_that_was_not_requested_is_reported(encoding: str) -> None:
    assert (
        problem(gzip.compress(ENVELOPE, mtime=0), encoding)
        == "the response body has a content encoding that was not requested"
    )


def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert MAX_BODY_BYTES == 8 * 1024 * 1024
    plain, packed = padded(MAX_BODY_BYTES), gzip.compress(padded(MAX_BODY_BYTES), 1)
    assert balance_call().response(reply(body=plain)).attempts == 1
    assert balance_call().response(reply(body=packed, headers={"Content-Encoding": "gzip"})).attempts == 1


def test_one_byte_more_is_too_large() -> None:
    message = "the response body is larger than 8 MiB"
    assert problem(padded(MAX_BODY_BYTES + 1)) == message
    assert problem(gzip.compress(padded(MAX_BODY_BYTES + 1), 1), "gzip") == message
    assert problem(b"\0" * (MAX_BODY_BYTES + 1), "gzip") == message


def test_a_body_that_is_too_large_is_reported_for_error_statuses_too() -> None:
    error = error_of(reply(404, body=b" " * (MAX_BODY_BYTES + 1)))
    assert isinstance(error, InvalidResponseError)
    assert error.status_code == 404


def test_a_gzip_bomb_does_not_fill_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1024 * 1024)
    bomb = b"".join([packer.compress(zeros) for _ in range(64)]) + packer.flush()
    assert len(bomb) < 80_000
    tracemalloc.start()
    try:
        assert problem(bomb, "gzip") == "the response body is larger than 8 MiB"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_BODY_BYTES


@given(st.binary(max_size=200), st.sampled_from([None, b"gzip", b"deflate", b"br"]))
def test_any_bytes_are_json_or_a_body_error(body: bytes, encoding: bytes | None) -> None:
    headers = Headers([] if encoding is None else [(b"content-encoding", encoding)])
    with contextlib.suppress(BodyError):
        parse(body, headers)


@given(st.binary(max_size=300), st.sampled_from([200, 201, 204, 400, 401, 403, 429, 500, 503, 302, 101, 999]))
def test_any_bytes_from_any_server_give_the_right_value_or_a_triverse_error(body: bytes, status: int) -> None:
    for encoding in ("gzip", "identity"):
        packed = gzip.compress(body, 1) if encoding == "gzip" else body
        answer = Reply(status, Headers([(b"content-encoding", encoding.encode())]), packed)
        end = error_of(answer)
        assert isinstance(end, TriverseError)
