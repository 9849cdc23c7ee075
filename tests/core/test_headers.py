from __future__ import annotations

import copy
import pickle

import pytest

from triverse import InvalidResponseError
from triverse.core.headers import Headers

RAW = [(b"Content-Type", b"application/json"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Odd", b"\xe9")]


def test_case_does_not_matter_and_repeats_are_joined() -> None:
    headers = Headers(RAW)
    assert headers["CONTENT-TYPE"] == headers["content-type"] == "application/json"
    assert headers["Set-Cookie"] == "a=1, b=2"
    assert headers["x-odd"] == "é"
    assert "SET-COOKIE" in headers
    assert list(headers) == ["content-type", "set-cookie", "x-odd"]
    assert len(headers) == 3


def test_a_listed_name_that_is_not_ascii_can_be_looked_up() -> None:
    headers = Headers([(b"\xc0-One", b"1")])
    assert dict(headers) == {"À-one": "1"}
    assert (headers["À-ONE"], "à-one" in headers) == ("1", False)


@pytest.mark.parametrize("name", ["x", "", "naïve", "汉"])
def test_a_name_that_is_not_there_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError) as caught:
        Headers(RAW)[name]
    assert caught.value.args == (name,)
    assert name not in Headers(RAW)


class Counted(bytes):
    lowered = 0

    def lower(self) -> bytes:
        Counted.lowered += 1
        return super().lower()


def test_thousands_of_headers_are_read_once() -> None:
    Counted.lowered = 0
    headers = Headers([(Counted(b"X-%d" % number), b"1") for number in range(3000)])
    assert len(dict(headers)) == len(repr(headers).split(", ")) == 3000
    assert Counted.lowered == 3000


def test_the_first_name_that_exists_is_used() -> None:
    assert Headers(RAW).get_first(b"x-none", b"x-odd", b"content-type") == "é"
    assert Headers(RAW).get_first(b"x-none") is None


def test_headers_compare_and_hash_by_value() -> None:
    same = Headers([(name.upper(), value) for name, value in RAW])
    assert Headers(RAW) == same
    assert hash(Headers(RAW)) == hash(same)
    assert hash(Headers(RAW)) != hash(Headers())
    assert Headers(RAW) == {"content-type": "application/json", "set-cookie": "a=1, b=2", "x-odd": "é"}
    assert Headers(RAW) != Headers()
    assert repr(Headers([(b"A", b"1")])) == "Headers({'a': '1'})"
    assert Headers(RAW).raw == tuple(RAW)


def test_headers_pickle_and_copy() -> None:
    headers = Headers(RAW)
    ways = [pickle.loads(pickle.dumps(headers, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]  # noqa: S301 - our own bytes
    for again in (*ways, copy.copy(headers), copy.deepcopy(headers)):
        assert again.raw == headers.raw


def test_a_request_id_is_found_under_either_name() -> None:
    assert Headers([(b"X-Request-Id", b"a"), (b"Request-Id", b"b")]).request_id == "a"
    assert Headers([(b"Request-Id", b"b")]).request_id == "b"
    assert Headers([(b"X-Request-Id", b"")]).request_id is None
    assert Headers().request_id is None


def test_an_error_has_the_location_without_its_query() -> None:
    """The query may be a signature, and errors are stored and sent to other processes."""
    moved = Headers([(b"LOCATION", b"https://files.example/x?signature=s3cr3t"), (b"X-Odd", b"a?b")])
    error = InvalidResponseError("a redirect", status_code=302, headers=moved)
    assert dict(error.headers) == {"location": "https://files.example/x", "x-odd": "a?b"}
    assert InvalidResponseError("no redirect", status_code=200, headers=Headers(RAW)).headers == Headers(RAW)
