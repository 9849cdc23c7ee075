"""Proxies and certificates from the environment, by the rules that httpx users know, with two differences.

A plain http:// URL is never sent through a proxy, because the proxy could read the key. `NO_PROXY` also takes networks,
such as 10.0.0.0/8, as curl and requests do.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from functools import cache
from importlib.util import find_spec
from typing import Final, TypeAlias
from urllib.request import getproxies

import httpcore
import httpx

from triverse.core.errors import ConfigurationError

__all__ = ["DEFAULT_PORTS", "Origin", "ProxyTable", "plain_http_proxies", "proxy_for", "tls_context"]

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port (RFC 6454)."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
"""The usual port of each scheme, also of proxies."""

_contexts: Final[dict[tuple[str | None, str | None], ssl.SSLContext]] = {}


class ProxyTable:
    """The proxy of each origin. The environment is read once for each, for the base URL when the client is made."""

    def __init__(self, base_url: httpx.URL) -> None:
        self._urls: dict[Origin, str | None] = {}
        self.url(origin_of(base_url))

    def url(self, origin: Origin) -> str | None:
        """URL of the proxy for this origin; None to connect directly."""
        if origin not in self._urls:
            self._urls[origin] = proxy_for(*origin)
        return self._urls[origin]

    def label(self, url: httpx.URL) -> str | None:
        """Host and port of the proxy for this URL, for error messages."""
        proxy = self.url(origin_of(url))
        return None if proxy is None else _proxy_label(proxy)


def origin_of(url: httpx.URL) -> Origin:
    """The origin of a URL, with the scheme's usual port if it names none."""
    return url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme, 80)


def host_and_port(host: str, port: int) -> str:
    """Both as text, as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain_http_proxies() -> set[str]:
    """Host and port of the proxies through which httpx itself would send plain http."""
    settings = getproxies()
    return {_proxy_label(_with_scheme(url)) for url in map(settings.get, ("http", "all")) if url}


def _proxy_label(proxy: str) -> str:
    return host_and_port(*origin_of(httpx.URL(proxy))[1:])


def _with_scheme(proxy: str) -> str:
    """A proxy as URL; the environment may have it without `http://`."""
    return proxy if "://" in proxy else f"http://{proxy}"


def make_proxy(url: str) -> httpcore.Proxy:
    """A proxy as httpcore takes it.

    Raises:
        ConfigurationError: this is not the URL of a proxy, or the package for this kind is not installed.
    """
    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL) as error:
        message = f"the proxy in the environment cannot be used: {error}. Correct HTTPS_PROXY or ALL_PROXY"
        raise ConfigurationError(message) from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        message = "the proxy in the environment is a SOCKS proxy, which needs a package: pip install httpx[socks]"
        raise ConfigurationError(message)
    target = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    context = tls_context("https") if proxy.url.scheme == "https" else None
    return httpcore.Proxy(target, auth=proxy.raw_auth, ssl_context=context)


def proxy_for(scheme: str, host: str, port: int) -> str | None:
    """URL of the proxy for this origin; None to connect directly.

    Reads `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.
    """
    if scheme == "http":
        return None
    settings = getproxies()
    exempt = [entry.strip().lower() for entry in settings.get("no", "").split(",")]
    if any(_matches(entry, scheme, host.lower(), port) for entry in exempt if entry):
        return None
    url = settings.get(scheme) or settings.get("all")
    return _with_scheme(url) if url else None


def _matches(entry: str, scheme: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` exempts this origin."""
    only_scheme, separator, rest = entry.rpartition("://")
    if separator and only_scheme not in {"all", scheme}:
        return False
    if "/" in rest:
        return _is_in_network(host, rest)
    name, only_port = _split_port(rest)
    if only_port not in {None, str(port)}:
        return False
    if name == "*":
        return True
    if _is_address(name) or name == "localhost":
        return host == name
    # `example.com` covers its subdomains too; `.example.com` covers only them.
    return host.endswith(name) if name.startswith(".") else f".{host}".endswith(f".{name}")


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(
            network.replace("[", "").replace("]", ""), strict=False
        )
    except ValueError:  # the host is a name, or this is no network
        return False


def _split_port(rest: str) -> tuple[str, str | None]:
    if _is_address(rest):
        return rest.strip("[]"), None
    name, separator, port = rest.rpartition(":")
    return (name.strip("[]"), port) if separator else (rest, None)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def tls_context(scheme: str) -> ssl.SSLContext:
    """The context for an origin of this scheme, with the certificates that the environment names.

    All clients of a process share one: making it takes 14 ms and 700 KiB.

    Raises:
        ConfigurationError: `SSL_CERT_FILE` or `SSL_CERT_DIR` cannot be read.
    """
    if scheme != "https":
        return _dummy_context()
    names = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    # Without a lock, which could stay locked in a forked child. Of two threads that make one, the first one's is kept.
    return _contexts.get(names) or _contexts.setdefault(names, _make_context(*names))


def _make_context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        message = (
            f"cannot read certificates ({error}): correct SSL_CERT_FILE={cert_file!r} or SSL_CERT_DIR={cert_dir!r}"
        )
        raise ConfigurationError(message) from error


@cache
def _dummy_context() -> ssl.SSLContext:
    """For connections without TLS: httpcore would otherwise make a full one."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
