"""The proxy is the one that httpx would choose, but plain http never uses one."""

from __future__ import annotations

import os
import ssl
from functools import partial
from pathlib import Path
from traceback import TracebackException
from unittest import mock
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import ME, Peer, Server, answer, envelope, serving

from triverse import AsyncTriverse, ConfigurationError, ConnectionFailedError, Triverse
from triverse.transport.environment import plain_http_proxies, proxy_for

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all examples, because loading the certificates is slow
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
        transport = client._transport_for_url(httpx.URL(url))  # pyright: ignore[reportPrivateUsage]  # httpx has no public name for it
        proxy = getattr(getattr(transport, "_pool", None), "_proxy_url", None)
    return None if proxy is None else f"{proxy.scheme.decode()}://{proxy.host.decode()}:{proxy.port}"


environments = st.tuples(proxies, proxies, proxies, exempt).map(
    lambda values: {name: value for name, value in zip(NAMES, values, strict=True) if value}
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(HOSTS), environments)
def test_https_uses_the_proxy_that_httpx_chooses(host: str, environment: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, environment):
        url = httpx.URL(f"https://{host}/x")
        assert proxy_for("https", url.host, 443) == chosen_by_httpx(str(url))


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
def test_plain_http_never_goes_through_a_proxy(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as target, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=target.url)
        assert (proxy.connections, len(target.requests)) == (0, 1)


@pytest.mark.parametrize(
    ("exempt", "used"),
    [
        ("", True),
        ("*", False),
        ("host.example", False),
        ("example", False),
        (".example", False),
        (".host.example", True),
        ("other.example", True),
        ("https://host.example", False),
        ("http://host.example", True),
        ("all://host.example", False),
        ("host.example:443", False),
        ("host.example:444", True),
        ("127.0.0.1, [::1], localhost", True),
        ("10.0.0.0/8", True),
    ],
)
def test_no_proxy_exempts_hosts(exempt: str, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a column of the table
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert proxy_for("https", "host.example", 443) == ("http://proxy.example:3128" if used else None)


@pytest.mark.parametrize(
    ("exempt", "host", "used"),
    [
        ("10.0.0.0/8", "10.1.2.3", False),
        ("10.0.0.0/8", "11.1.2.3", True),
        ("10.1.2.3/8", "10.200.0.1", False),
        ("fd00::/8", "fd12::1", False),
        ("fd00::/8", "fe80::1", True),
        ("[fd00::]/8", "fd12::1", False),
        ("https://10.0.0.0/8", "10.1.2.3", False),
        ("http://10.0.0.0/8", "10.1.2.3", True),
        ("192.168.0.0/16, 10.0.0.0/8", "10.1.2.3", False),
        ("10.0.0.0/99", "10.1.2.3", True),
        ("fd00::/8", "10.1.2.3", True),
    ],
)
def test_no_proxy_exempts_networks(exempt: str, host: str, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a column of the table
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert (proxy_for("https", host, 443) is not None) == used


def test_without_a_setting_there_is_no_proxy() -> None:
    assert proxy_for("https", "host.example", 443) is None


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
@pytest.mark.parametrize(
    ("url", "why"),
    [("gopher://x:1", "Unknown scheme for proxy URL"), ("http://[::1", "proxy"), ("socks5://x:1", "SOCKS")],
)
def test_a_proxy_that_cannot_be_used_is_a_configuration_error(
    mode: Mode, url: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)

    def not_installed(_name: str) -> None:
        return None

    monkeypatch.setattr("triverse.transport.environment.find_spec", not_installed)
    with pytest.raises(ConfigurationError, match=why):
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me())


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
def test_an_error_names_host_and_port_of_the_proxy(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:word@127.0.0.1:9")
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:9") as caught:
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), max_retries=0)
    assert "word" not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["http://{}", "{}"])
async def test_a_users_client_gives_no_key_to_a_proxy_of_the_environment(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving() as target, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address.format(proxy.origin.removeprefix("http://")))
        with httpx.Client(verify=CONTEXT) as own, Triverse(KEY, base_url=target.url, http_client=own) as client:
            for call in (client.users.me, partial(client.tasks.download, UUID(int=7), tmp_path / "a.glb")):
                with pytest.raises(ConfigurationError, match="trust_env=False") as caught:
                    call()
                assert KEY not in "".join(TracebackException.from_exception(caught.value, capture_locals=True).format())
        async with httpx.AsyncClient(verify=CONTEXT) as its_own:
            async_client = AsyncTriverse(KEY, base_url=target.url, http_client=its_own)
            with pytest.raises(ConfigurationError, match="trust_env=False"):
                await async_client.users.me()
            with pytest.raises(ConfigurationError, match="trust_env=False"):
                await async_client.tasks.text_to_model("a brass helmet")
        assert (proxy.requests, target.requests) == ([], [])


@pytest.mark.parametrize(
    ("url", "peer"),
    [
        ("http://proxy.example", "proxy.example:80"),
        ("https://proxy.example", "proxy.example:443"),
        ("socks5://proxy.example", "proxy.example:1080"),
        ("[::1]:3128", "[::1]:3128"),
    ],
)
def test_a_proxy_of_the_environment_is_known_by_host_and_port(
    url: str, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", url)
    assert plain_http_proxies() == {peer}


@pytest.mark.parametrize("excluded", [{"NO_PROXY": "127.0.0.1"}, {}])
def test_a_users_client_that_uses_no_proxy_is_not_refused(
    excluded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as target, serving() as proxy:
        for name, value in {"HTTP_PROXY": proxy.origin, "http_proxy": proxy.origin, **excluded}.items():
            monkeypatch.setenv(name, value)
        with httpx.Client(trust_env=bool(excluded)) as own:
            Triverse(KEY, base_url=target.url, http_client=own).users.me()
        assert (len(proxy.requests), len(target.requests)) == (0, 1)


@pytest.mark.anyio
async def test_an_error_names_the_proxy_of_a_users_client() -> None:
    with (
        httpx.Client(proxy="http://127.0.0.1:9", verify=CONTEXT) as own,
        pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:9"),
    ):
        Triverse(KEY, http_client=own, max_retries=0).users.me()
    async with httpx.AsyncClient(proxy="http://127.0.0.1:9", verify=CONTEXT) as its_own:
        with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:9"):
            await AsyncTriverse(KEY, http_client=its_own, max_retries=0).users.me()


def test_a_netrc_file_does_not_replace_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login eve password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        client.users.me()
        assert server.authorizations == [f"Bearer {KEY}"]


def breaks_at_the_second(peer: Peer) -> None:
    peer.request()
    peer.send(answer(envelope(ME)))
    peer.request()


@pytest.mark.anyio
async def test_an_error_names_the_proxy_of_a_users_client_on_a_kept_connection() -> None:
    elsewhere = "http://127.0.0.1:9/api/v1"
    with Server(breaks_at_the_second) as proxy:
        named = rf"127\.0\.0\.1:{proxy.port}"
        with httpx.Client(proxy=proxy.origin, verify=CONTEXT) as own:
            client = Triverse(KEY, base_url=elsewhere, http_client=own, max_retries=0)
            client.users.me()
            with pytest.raises(ConnectionFailedError, match=named):
                client.users.me()
        async with httpx.AsyncClient(proxy=proxy.origin, verify=CONTEXT) as its_own:
            async_client = AsyncTriverse(KEY, base_url=elsewhere, http_client=its_own, max_retries=0)
            await async_client.users.me()
            with pytest.raises(ConnectionFailedError, match=named):
                await async_client.users.me()
