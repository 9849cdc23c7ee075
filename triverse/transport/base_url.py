"""Where requests go: the base URL, checked by the parser that will use it."""

from __future__ import annotations

import ipaddress
from typing import Final

import httpx

from triverse.core.errors import ConfigurationError

__all__ = ["parse_base_url"]

_LAST_PORT: Final = 65535
_LONGEST_PART: Final = 63


def parse_base_url(text: str) -> httpx.URL:
    """The base URL, without a slash at its end.

    Raises:
        ConfigurationError: not a URL, or one that would send the key in the clear or to somewhere unexpected.
    """
    url = _parse(text)
    problem = _problem(url)
    if problem:
        message = f"base_url {problem}"
        raise ConfigurationError(message)
    return url.copy_with(raw_path=url.raw_path.rstrip(b"/") or b"/")


def _parse(text: object) -> httpx.URL:
    if isinstance(text, str) and text.isascii() and text.isprintable() and not set(text) & set(" \\"):
        try:
            url = httpx.URL(text)
            _host, port = url.host, url.port  # a host is decoded only when somebody looks
        except (httpx.InvalidURL, ValueError):
            pass
        else:
            if (port is None or 0 < port <= _LAST_PORT) and _can_be_looked_up(url.raw_host):
                return url
    message = "base_url is not a URL, such as https://api.triverse.ai/api/v1"
    raise ConfigurationError(message)


def _can_be_looked_up(host: bytes) -> bool:
    """Whether each part of the name is as long as one may be. That there is no name at all is told elsewhere."""
    return not host or all(0 < len(part) <= _LONGEST_PART for part in host.removesuffix(b".").split(b"."))


def _problem(url: httpx.URL) -> str | None:
    if url.scheme not in {"https", "http"} or not url.host:
        return "must begin with https:// and name a host"
    if url.userinfo:
        return "must not hold a user name or password: the key goes into api_key"
    if set("?#") & set(str(url)):
        return "must not have a query or a fragment"
    if url.scheme == "http" and not _is_loopback(url.host):
        return "must be https://: over plain http:// everyone on the way could read the key"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
