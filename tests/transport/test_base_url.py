"""Valid base URLs are accepted; others are refused before anything is sent."""

from __future__ import annotations

import pytest
from support.clients import KEY
from support.internals import transport_of
from support.server import serving

from triverse import AsyncTriverse, ConfigurationError, NotFoundError, Triverse, TriverseError
from triverse.transport.base_url import parse_base_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.triverse.ai/api/v1", "https://api.triverse.ai/api/v1"),
        ("https://api.triverse.ai/api/v1/", "https://api.triverse.ai/api/v1"),
        ("https://api.triverse.ai", "https://api.triverse.ai/"),
        ("HTTPS://API.Triverse.AI:443/x//", "https://api.triverse.ai/x"),
        ("https://api.triverse.ai:8443", "https://api.triverse.ai:8443/"),
        ("http://localhost:8787", "http://localhost:8787/"),
        ("http://127.0.0.1", "http://127.0.0.1/"),
        ("https://api.triverse.ai./", "https://api.triverse.ai./"),
        ("http://127.8.9.10/api", "http://127.8.9.10/api"),
        ("http://[::1]:8787/api", "http://[::1]:8787/api"),
    ],
)
def test_these_base_urls_are_accepted(given: str, used: str) -> None:
    assert str(parse_base_url(given)) == used


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://api.triverse.ai", "anyone between here and the server"),
        ("http://localhost.example.com", "pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1"),
        ("http://10.0.0.1", "pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1"),
        ("http://0.0.0.0", "pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1"),
        ("http://[::2]", "pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1"),
        ("http://127.0.0.1.example.com", "pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1"),
        ("", "base_url is empty"),
        ("ftp://api.triverse.ai", "must begin with https://"),
        ("api.triverse.ai", "must begin with https://"),
        ("https://", "name a host"),
        ("https:///path", "name a host"),
        ("https://user:pw@api.triverse.ai", "user name"),
        ("https://api.triverse.ai@evil.example", "user name"),
        ("https://api.triverse.ai?x=1", "query"),
        ("https://api.triverse.ai#x", "fragment"),
        ("https://api.triverse.ai?", "query"),
        ("https://api.triverse.ai/#", "fragment"),
        ("https://xn--/", "is not a URL"),
        ("https://.", "is not a URL"),
        ("https://api..triverse.ai", "is not a URL"),
        (f"https://{'a' * 64}.ai", "is not a URL"),
        ("https://api.triverse.ai:99999", "is not a URL"),
        ("https://api.triverse.ai:port", "is not a URL"),
        ("https://api.triverse.ai\\@evil.example", "is not a URL"),
        ("https://api.triverse.ai\r\nHost: evil.example", "is not a URL"),
        (" https://api.triverse.ai", "is not a URL"),
        ("https://apí.triverse.ai", "is not a URL"),
        ("https://[::1", "is not a URL"),
    ],
)
def test_these_base_urls_are_refused_with_a_reason(given: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Triverse, AsyncTriverse):
        with pytest.raises(ConfigurationError, match=why):
            kind(KEY, base_url=given)
    if given:
        monkeypatch.setenv("TRIVERSE_BASE_URL", given)
        with pytest.raises(ConfigurationError, match=why):
            Triverse(KEY)


@pytest.mark.parametrize("url", ["http://sandbox:8787/api/v1", "http://10.0.0.1/", "http://[fd00::1]:80/x"])
def test_allow_http_permits_plain_http_to_any_host(url: str) -> None:
    for kind in (Triverse, AsyncTriverse):
        client = kind(KEY, base_url=url, allow_http=True)
        assert transport_of(client).base_url.startswith("http://")


def test_the_argument_takes_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "https://nowhere.invalid")
    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        assert client.users.balance().total == 125.0


@pytest.mark.parametrize("path", ["/../../admin", "//evil.example/x", "/@evil.example", "/x?y=1", "/%2e%2e", "/a\\b"])
def test_no_path_leads_to_another_origin(path: str) -> None:
    with serving() as server, Triverse(KEY, base_url=server.url) as client, pytest.raises(TriverseError):
        client.request("GET", path)
    assert all(received.header("Host") == f"127.0.0.1:{server.port}" for received in server.requests)


def test_a_path_that_makes_no_url_is_a_configuration_error() -> None:
    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        with pytest.raises(ConfigurationError, match="is not a URL that can be requested"):
            client.request("GET", "/" + "x" * 70_000)
        with pytest.raises(ConfigurationError, match="json"):
            client.request("POST", "/x", json=float("nan"))
    assert server.requests == []


def test_many_paths_do_not_fill_memory() -> None:
    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        for number in range(300):
            with pytest.raises(NotFoundError):
                client.request("GET", f"/nowhere/{number}")
    assert len(server.requests) == 300
