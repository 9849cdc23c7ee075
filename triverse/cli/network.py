"""The checks of `triverse doctor` below HTTP: name lookup, connection, proxy, certificates, TLS."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from triverse.cli.checks import CheckResult, failed, noted, passed, sentence
from triverse.cli.output import NETWORK, USAGE
from triverse.clients.config import Settings
from triverse.core.errors import ConfigurationError
from triverse.transport.base_url import parse_base_url
from triverse.transport.environment import DEFAULT_PORTS, make_proxy, proxy_for, tls_context

__all__ = ["Origin", "check_certificates", "check_network", "check_proxy", "parse_origin", "tls_advice"]

_TIMEOUT: Final = 5.0


@frozen
class Origin:
    """Scheme, host and port (RFC 6454): where connections go."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_origin(settings: Settings) -> Origin:
    """The origin of the base URL, parsed as the client parses it.

    Raises:
        ConfigurationError: the client refuses it.
    """
    url = parse_base_url(settings.base_url, settings.base_url_name, allow_http=settings.allow_http)
    return Origin(url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme])


def check_proxy(service: Origin) -> tuple[Origin | None, CheckResult]:
    """The proxy that the environment sets for this origin."""
    url = proxy_for(service.scheme, service.host, service.port)
    if url is None:
        return None, passed("proxy", "none")
    try:
        proxy = _proxy_origin(url)
        make_proxy(url)
    except ConfigurationError as error:
        return None, failed("proxy", "the environment sets one that cannot be used", sentence(error), USAGE)
    # Only scheme, host and port: a proxy's URL may hold a password.
    return proxy, passed("proxy", f"{proxy.scheme}://{proxy}, from the environment")


def _proxy_origin(url: str) -> Origin:
    """Scheme, host and port of a proxy.

    Raises:
        ConfigurationError: it has none. The message does not contain the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in DEFAULT_PORTS and parts.hostname:
            return Origin(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
    except ValueError:
        pass
    raise ConfigurationError("correct HTTPS_PROXY or ALL_PROXY: it is not the URL of a proxy, such as http://host:8080")


def check_certificates(service: Origin) -> CheckResult:
    """The certificates that the client trusts, and whether they can be read."""
    if service.scheme == "http":
        return passed("certificates", "none are needed for http://")
    settings = [f"{name}={os.environ[name]}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    source = settings[0] if settings else "those of certifi"
    try:
        tls_context("https")
    except ConfigurationError as error:
        return failed(
            "certificates", error, f"Correct {source}, or unset it: it cannot be read as certificates.", USAGE
        )
    return passed("certificates", source)


def check_network(service: Origin, proxy: Origin | None) -> Iterator[CheckResult]:
    """Connect step by step. The caller stops at the first result that failed."""
    target = service if proxy is None else proxy
    label = "" if proxy is None else "the proxy "
    yield _resolve(target, label)
    yield _connect(target, label)
    if service.scheme == "https":
        yield _handshake(service) if proxy is None else noted("TLS", "the proxy connects it; see the requests below")


def _resolve(target: Origin, label: str) -> CheckResult:
    started = time.monotonic()
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        advice = f"The host name of {label}{target.host} cannot be resolved: check its spelling and the DNS server."
        return failed("DNS", error, advice, NETWORK, time.monotonic() - started)
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    return passed("DNS", f"{label}{target.host} is {addresses}", time.monotonic() - started)


def _connect(target: Origin, label: str) -> CheckResult:
    started = time.monotonic()
    try:
        with socket.create_connection((target.host, target.port), _TIMEOUT) as connection:
            peer = str(connection.getpeername()[0])
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        problem = "No server listens there" if refused else "It cannot be reached"
        advice = f"{problem}: check that {label}{target} is right and running, and that no firewall blocks it."
        return failed("connection", error, advice, NETWORK, time.monotonic() - started)
    return passed("connection", f"{label}{peer}, port {target.port}", time.monotonic() - started)


def _handshake(service: Origin) -> CheckResult:
    started = time.monotonic()
    try:
        with (
            socket.create_connection((service.host, service.port), _TIMEOUT) as plain,
            tls_context("https").wrap_socket(plain, server_hostname=service.host) as secure,
        ):
            until = (secure.getpeercert() or {}).get("notAfter", "?")
            detail = f"{secure.version()}, certificate valid until {until}"
    except OSError as error:
        return failed("TLS", error, tls_advice(error), NETWORK, time.monotonic() - started)
    return passed("TLS", detail, time.monotonic() - started)


_EXPIRED: Final = {9, 10}
_OTHER_NAME: Final = {62, 64}


def tls_advice(error: OSError) -> str:
    """Why TLS failed, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "The server does not answer with TLS: check the port of the base URL, and any proxy in between."
    if error.verify_code in _EXPIRED:
        return "The certificate is not valid at this time: check this machine's clock, then report it to the operator."
    if error.verify_code in _OTHER_NAME:
        return (
            "The certificate belongs to another host: check the base URL, and any proxy that may answer in its place."
        )
    return "This machine does not trust the certificate's issuer: set SSL_CERT_FILE to the file of its CA."
