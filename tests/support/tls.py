"""Certificates for loopback servers, from a test authority."""

from __future__ import annotations

import datetime as dt
import ssl
from functools import cache
from pathlib import Path

import pytest
import trustme

__all__ = ["authority", "expired", "self_signed", "server_context", "trust", "wrong_name"]


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # it also accepts a pyOpenSSL context, which is not installed
    return context


@cache
def server_context() -> ssl.SSLContext:
    return _context(authority().issue_cert("localhost", "127.0.0.1"))


@cache
def wrong_name() -> ssl.SSLContext:
    return _context(authority().issue_cert("elsewhere.example"))


@cache
def expired() -> ssl.SSLContext:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    return _context(authority().issue_cert("localhost", not_after=yesterday))


@cache
def self_signed() -> ssl.SSLContext:
    return _context(trustme.CA().issue_cert("localhost"))


def trust(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make clients that are created after this call trust the authority."""
    bundle = folder / "authority.pem"
    authority().cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
