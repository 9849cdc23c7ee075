"""Which proxy is used: the same that httpx itself would choose."""

from __future__ import annotations

import os
import ssl
from unittest import mock

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import serving

from triverse import ConfigurationError, Triverse
from triverse.transport.proxies import proxy_for

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of one, lest each example load all certificates
HOSTS = ("api.triverse.ai", "triverse.ai", "localhost", "127.0.0.1", "[::1]", "xtriverse.ai")

proxies = st.sampled_from(["", "http://one:1", "http://two:2", "three:3"])
exempt = st.lists(
    st.sampled_from(
        ["*", "", "triverse.ai", ".triverse.ai", "api.triverse.ai", "localhost", "127.0.0.1", "::1", "other.ai"]
    ),
    max_size=3,
).map(",".join)


def chosen_by_httpx(url: str) -> str | None:
    with httpx.Client(verify=CONTEXT) as client:
        transport = client._transport_for_url(httpx.URL(url))  # pyright: ignore[reportPrivateUsage]  # httpx tells it nowhere else
        proxy = getattr(getattr(transport, "_pool", None), "_proxy_url", None)
    return None if proxy is None else f"{proxy.scheme.decode()}://{proxy.host.decode()}:{proxy.port}"


environments = st.tuples(proxies, proxies, proxies, exempt).map(
    lambda values: {name: value for name, value in zip(NAMES, values, strict=True) if value}
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["http", "https"]), st.sampled_from(HOSTS), environments)
def test_it_is_the_one_that_httpx_chooses(scheme: str, host: str, environment: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, environment):
        url = httpx.URL(f"{scheme}://{host}/x")
        assert proxy_for(scheme, url.host, 443 if scheme == "https" else 80) == chosen_by_httpx(str(url))


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
def test_requests_go_through_the_proxy_and_the_netrc_does_not_replace_the_key(
    mode: Mode, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login eve password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving() as target, serving(lambda _: b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        with pytest.raises(Exception, match="404"):
            drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=target.url)
        assert proxy.requests[0].target == f"{target.url}/users/me"
        assert proxy.authorizations == [f"Bearer {KEY}"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=target.url)
    assert (len(proxy.requests), len(target.requests)) == (1, 1)


def test_a_proxy_that_cannot_be_one_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://x:1")
    with serving() as server, pytest.raises(ConfigurationError, match="proxy"), Triverse(KEY, base_url=server.url) as c:
        c.users.me()
