"""Where a redirect of a download leads, and whether it may be followed. Such requests are sent without the key."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin, urlsplit

from triverse.core.headers import Headers

__all__ = ["MAX_REDIRECTS", "RedirectError", "check_storage_url", "is_redirect", "redirect_target"]

MAX_REDIRECTS: Final = 3

_STATUSES: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class RedirectError(Exception):
    """The URL is not followed. The text is the reason, without the query."""


def is_redirect(status: int) -> bool:
    """Whether a status leads to another URL."""
    return status in _STATUSES


def redirect_target(headers: Headers, url: str, *, secure: bool) -> str:
    """Return the absolute URL that a redirect leads to.

    Args:
        headers: of the response.
        url: of the request.
        secure: whether only https may be followed.

    Raises:
        RedirectError: it leads nowhere, or to where it must not be followed.
    """
    location = headers.get_first(b"location")
    if not location:
        raise RedirectError("the redirect has no Location")
    try:
        target = urljoin(url, _as_utf8(location.strip()))
    except ValueError:
        raise RedirectError("the Location of the redirect is not a URL") from None
    check_storage_url(target, secure=secure)
    return target.partition("#")[0]


def _as_utf8(header: str) -> str:
    # Headers are decoded as Latin-1, but servers that do not escape their URLs send UTF-8.
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def check_storage_url(url: str, *, secure: bool) -> None:
    """Check a URL to which a request is sent without the key.

    Raises:
        RedirectError: it is not an absolute http(s) URL, has a user name, or is http although only https is allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RedirectError("the URL of the file is not valid") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not _is_printable(url):
        raise RedirectError("the URL of the file is not an http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise RedirectError(f"the URL of the file on {parts.hostname} has a user name or password in it")
    if secure and parts.scheme != "https":
        raise RedirectError(f"the URL of the file leads from https to http, to the host {parts.hostname}")


def _is_printable(url: str) -> bool:
    return url.isprintable() and " " not in url
