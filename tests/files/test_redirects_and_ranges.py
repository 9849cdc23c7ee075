from __future__ import annotations

import pytest

from triverse.core.content_range import content_length, continues_at, is_encoded, range_headers, strong_etag
from triverse.core.headers import Headers
from triverse.core.redirects import RedirectError, check_storage_url, is_redirect, redirect_target

API = "https://api.example/api/v1/tasks/download/1"


def headers(**values: str) -> Headers:
    return Headers([(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in values.items()])


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://storage.example/x?sig=1", "https://storage.example/x?sig=1"),
        ("//storage.example/x", "https://storage.example/x"),
        ("/other", "https://api.example/other"),
        ("2", "https://api.example/api/v1/tasks/download/2"),
        (" https://storage.example/x#part ", "https://storage.example/x"),
        ("https://storage.example/S\u00c3\u00a4ule", "https://storage.example/Säule"),
        ("https://storage.example/S\u00e4ule", "https://storage.example/Säule"),
    ],
)
def test_a_redirect_leads_to_an_absolute_url(location: str, expected: str) -> None:
    assert redirect_target(headers(location=location), API, secure=True) == expected


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        (
            "http://storage.example/x?sig=secret",
            "the URL of the file leads from https to http, to the host storage.example",
        ),
        ("ftp://storage.example/x", "the URL of the file is not an http(s) URL"),
        ("file:///etc/passwd", "the URL of the file is not an http(s) URL"),
        ("ftp:///x", "the URL of the file is not an http(s) URL"),
        ("https://storage.example/a b", "the URL of the file is not an http(s) URL"),
        ("https://storage.example/\x01", "the URL of the file is not an http(s) URL"),
        ("https://storage.example:99999/x", "the URL of the file is not valid"),
        ("https://storage.example:0/x", "the URL of the file is not an http(s) URL"),
        ("https://[::1/x", "the Location of the redirect is not a URL"),
        (
            "https://user:secret@storage.example/x",
            "the URL of the file on storage.example has a user name or password in it",
        ),
        (
            "https://user@storage.example/x",
            "the URL of the file on storage.example has a user name or password in it",
        ),
        ("", "the redirect has no Location"),
    ],
)
def test_a_refused_redirect_does_not_show_its_query(location: str, problem: str) -> None:
    with pytest.raises(RedirectError) as refused:
        redirect_target(headers(location=location), API, secure=True)
    assert str(refused.value) == problem


def test_from_http_both_schemes_may_be_followed() -> None:
    assert redirect_target(headers(location="http://127.0.0.1:1/x"), "http://127.0.0.1:2/", secure=False)
    check_storage_url("https://storage.example/x", secure=False)


def test_these_statuses_are_redirects() -> None:
    assert [status for status in range(300, 400) if is_redirect(status)] == [301, 302, 303, 307, 308]


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        ('"abc"', '"abc"'),
        (' "" ', '""'),
        ('W/"abc"', None),
        ("abc", None),
        ('"a"b"', None),
        ('"a", "b"', None),
        ("", None),
    ],
)
def test_only_a_strong_etag_counts(etag: str, expected: str | None) -> None:
    assert strong_etag(headers(etag=etag)) == expected


def test_without_headers_nothing_is_known() -> None:
    assert strong_etag(Headers()) is None
    assert content_length(Headers()) is None
    assert not is_encoded(Headers())


@pytest.mark.parametrize(
    ("length", "expected"), [("0", 0), (" 12 ", 12), ("-1", None), ("1, 1", None), ("9" * 30, None)]
)
def test_a_content_length_is_a_number(length: str, expected: int | None) -> None:
    assert content_length(headers(content_length=length)) == expected


@pytest.mark.parametrize(
    ("encoding", "encoded"), [("identity", False), ("Identity ", False), ("gzip", True), ("br, gzip", True)]
)
def test_a_content_encoding_is_seen(encoding: str, encoded: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_encoded(headers(content_encoding=encoding)) is encoded


@pytest.mark.parametrize(
    ("content_range", "etag", "continues"),
    [
        ("bytes 50-99/100", '"a"', True),
        ("bytes 50-99/100", None, True),
        ("bytes  50-60/100", '"a"', True),
        ("bytes 50-99/100", '"b"', False),
        ("bytes 50-99/100", 'W/"a"', False),
        ("bytes 49-99/100", None, False),
        ("bytes 51-99/100", None, False),
        ("bytes 0-99/100", None, False),
        ("bytes 50-99/101", None, False),
        ("bytes 50-99/99", None, False),
        ("bytes 50-100/100", None, False),
        ("bytes 50-49/100", None, False),
        ("bytes 50-99/*", None, False),
        ("bytes */100", None, False),
        ("items 50-99/100", None, False),
        ("", None, False),
    ],
)
def test_only_the_rest_of_the_same_file_continues_it(content_range: str, etag: str | None, continues: bool) -> None:  # noqa: FBT001 - a parameter
    given = headers(content_range=content_range) if etag is None else headers(content_range=content_range, etag=etag)
    assert continues_at(given, 50, 100, '"a"') is continues


def test_the_last_byte_alone_continues_a_file() -> None:
    assert continues_at(headers(content_range="bytes 99-99/100"), 99, 100, '"a"')


def test_the_rest_is_requested_by_its_first_byte() -> None:
    assert range_headers(50, '"a"') == (("Range", "bytes=50-"), ("If-Range", '"a"'))
