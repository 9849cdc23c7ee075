"""Which proxy the environment asks for, by the rules that httpx users know."""

from __future__ import annotations

import ipaddress
from urllib.request import getproxies

__all__ = ["proxy_for"]


def proxy_for(scheme: str, host: str, port: int) -> str | None:
    """URL of the proxy for this origin; None to connect directly.

    Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.
    """
    settings = getproxies()
    exempt = [entry.strip().lower() for entry in settings.get("no", "").split(",")]
    if any(_matches(entry, scheme, host.lower(), port) for entry in exempt if entry):
        return None
    url = settings.get(scheme) or settings.get("all")
    if not url:
        return None
    return url if "://" in url else f"http://{url}"


def _matches(entry: str, scheme: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` exempts this origin."""
    only_scheme, separator, rest = entry.rpartition("://")
    if separator and only_scheme not in {"all", scheme}:
        return False
    name, only_port = _split_port(rest)
    if only_port not in {None, str(port)}:
        return False
    if name == "*":
        return True
    if _is_address(name) or name == "localhost":
        return host == name
    # `example.com` covers its subdomains; `.example.com` covers them alone.
    return host.endswith(name) if name.startswith(".") else f".{host}".endswith(f".{name}")


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
