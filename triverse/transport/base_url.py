"""Check the base URL with the parser that will use it."""

from __future__ import annotations

import ipaddress
from typing import Final

import httpx

from triverse.core.errors import ConfigurationError

__all__ = ["parse_base_url"]

_MAX_PORT: Final = 65535
_MAX_LABEL_LENGTH: Final = 63  # RFC 1035
_EXAMPLE: Final = "such as https://api.triverse.ai/api/v1"


def parse_base_url(text: str, name: str = "base_url", *, allow_http: bool = False) -> httpx.URL:
    """Return the base URL without a slash at its end. `name` is how an error refers to it.

    Raises:
        ConfigurationError: it is not a URL, or requests to it would show the key to others.
    """
    url = _parse(text, name)
    problem = _problem(url, allow_http=allow_http)
    if problem:
        message = f"{name} {problem}"
        raise ConfigurationError(message)
    return url.copy_with(raw_path=url.raw_path.rstrip(b"/") or b"/")


def _parse(text: object, name: str) -> httpx.URL:
    if text == "":
        message = f"{name} is empty: leave it out, or give a URL {_EXAMPLE}"
        raise ConfigurationError(message)
    if isinstance(text, str) and text.isascii() and text.isprintable() and not set(text) & set(" \\"):
        try:
            url = httpx.URL(text)
            _host, port = url.host, url.port  # httpx decodes the host only when it is read
        except (httpx.InvalidURL, ValueError):
            pass
        else:
            if (port is None or 0 < port <= _MAX_PORT) and _has_valid_labels(url.raw_host):
                return url
    message = f"{name} is not a URL, {_EXAMPLE}"
    raise ConfigurationError(message)


def _has_valid_labels(host: bytes) -> bool:
    """Whether each part of the name has a valid length. A missing host is reported by `_problem()`."""
    return not host or all(0 < len(part) <= _MAX_LABEL_LENGTH for part in host.removesuffix(b".").split(b"."))


def _problem(url: httpx.URL, *, allow_http: bool) -> str | None:
    if url.scheme not in {"https", "http"} or not url.host:
        return "must begin with https:// and name a host"
    if url.userinfo:
        return "must not contain a user name or password: pass the key as api_key"
    if set("?#") & set(str(url)):
        return "must not have a query or a fragment"
    if url.scheme == "http" and not allow_http and not _is_loopback(url.host):
        return (
            "must begin with https://, because anyone between here and the server can read the key over plain http://. "
            "For a mock or a gateway on a private network, pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
