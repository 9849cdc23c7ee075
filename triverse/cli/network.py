"""What lies between here and the service: names, addresses, proxies, certificates. For `triverse doctor`."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from triverse.cli.checks import Finding, failed, fine, noted
from triverse.cli.exit_codes import NETWORK, USAGE
from triverse.core.errors import ConfigurationError
from triverse.transport.base_url import parse_base_url
from triverse.transport.proxies import proxy_for
from triverse.transport.tls import tls_context

__all__ = ["Place", "check_certificates", "check_network", "check_proxy", "parse_place", "tls_advice"]

_PATIENCE: Final = 5.0
_PORTS: Final = {"https": 443, "http": 80, "socks5": 1080, "socks5h": 1080}


@frozen
class Place:
    """Where connections go."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_place(base_url: str) -> Place:
    """The origin of a base URL, read as the client reads it.

    Raises:
        ConfigurationError: the client would refuse it.
    """
    url = parse_base_url(base_url)
    return Place(url.scheme, url.host, url.port or _PORTS[url.scheme])


def check_proxy(service: Place) -> tuple[Place | None, Finding]:
    """Which proxy the environment asks for."""
    url = proxy_for(service.scheme, service.host, service.port)
    if url is None:
        return None, fine("proxy", "none applies")
    try:
        parts = urlsplit(url)
        proxy = Place(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
    except (ValueError, KeyError):
        advice = "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: it is not the URL of a proxy."
        return None, failed("proxy", "the environment names one that is not a URL", advice, USAGE)
    # Only scheme, host and port: a proxy's URL may hold a password.
    return proxy, fine("proxy", f"{proxy.scheme}://{proxy}, from the environment")


def check_certificates(service: Place) -> Finding:
    """Which certificates the client trusts, and whether they can be read."""
    if service.scheme == "http":
        return fine("certificates", "none are needed for http://")
    settings = [f"{name}={os.environ[name]}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    source = settings[0] if settings else "those that come with certifi"
    try:
        tls_context("https")
    except ConfigurationError as error:
        return failed("certificates", error, f"Correct {source}: it cannot be read as certificates.", USAGE)
    return fine("certificates", source)


def check_network(service: Place, proxy: Place | None) -> Iterator[Finding]:
    """Go there step by step. Whoever reads this stops at the first that fails, and what follows is not tried."""
    target = service if proxy is None else proxy
    whose = "" if proxy is None else "the proxy "
    yield _resolve(target, whose)
    yield _connect(target, whose)
    if service.scheme == "https":
        yield _handshake(service) if proxy is None else noted("TLS", "made through the proxy, by the calls below")


def _resolve(target: Place, whose: str) -> Finding:
    started = time.monotonic()
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        advice = (
            f"The name of {whose}{target.host} is not known here: check its spelling, the network and the DNS settings."
        )
        return failed("DNS", error, advice, NETWORK, time.monotonic() - started)
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    return fine("DNS", f"{whose}{target.host} is {addresses}", time.monotonic() - started)


def _connect(target: Place, whose: str) -> Finding:
    started = time.monotonic()
    try:
        with socket.create_connection((target.host, target.port), _PATIENCE) as connection:
            peer = str(connection.getpeername()[0])
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        what = "Nothing listens there" if refused else "It cannot be reached"
        advice = f"{what}: check that {whose}{target} is right and up, and that no firewall is in the way."
        return failed("connection", error, advice, NETWORK, time.monotonic() - started)
    return fine("connection", f"{whose}{peer}, port {target.port}", time.monotonic() - started)


def _handshake(service: Place) -> Finding:
    started = time.monotonic()
    try:
        with (
            socket.create_connection((service.host, service.port), _PATIENCE) as plain,
            tls_context("https").wrap_socket(plain, server_hostname=service.host) as secure,
        ):
            until = (secure.getpeercert() or {}).get("notAfter", "?")
            said = f"{secure.version()}, certificate valid until {until}"
    except OSError as error:
        return failed("TLS", error, tls_advice(error), NETWORK, time.monotonic() - started)
    return fine("TLS", said, time.monotonic() - started)


_EXPIRED: Final = {9, 10}
_OTHER_NAME: Final = {62, 64}


def tls_advice(error: OSError) -> str:
    """What keeps TLS from working, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "The other side does not speak TLS as it should: check the port of the base URL, and what is in between."
    if error.verify_code in _EXPIRED:
        return (
            "The certificate is not valid at this time: check this machine's clock, then tell whoever runs the server."
        )
    if error.verify_code in _OTHER_NAME:
        return "The certificate is another host's: check the base URL, and whether something answers in its place."
    return "The certificate is signed by nobody whom this machine trusts: set SSL_CERT_FILE to its CA."
