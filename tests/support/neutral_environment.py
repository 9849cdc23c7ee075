"""Variables of the user's environment that would change the results of tests."""

from __future__ import annotations

from collections.abc import MutableMapping

__all__ = ["neutralise"]

# Prefixes of names: the user's key or base URL, and settings of tools that some tests load.
_PREFIXES = ("TRIVERSE_", "OTEL_", "DD_", "NEW_RELIC_", "SENTRY_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TERMINAL = (
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORTERM",
    "COLUMNS",
    "FORCE_COLOR",
    "LINES",
    "NO_COLOR",
    "PY_COLORS",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)
_NAMES = frozenset((*_PROXIES, *_CERTIFICATES, *_TERMINAL))


def neutralise(environment: MutableMapping[str, str]) -> None:
    """Remove these variables, in either case, and use a terminal type that every system supports."""
    for name in list(environment):
        if name.upper() in _NAMES or name.upper().startswith(_PREFIXES):
            del environment[name]
    environment["TERM"] = "xterm-256color"
