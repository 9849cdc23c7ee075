"""Trusted certificates: those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, loaded once for all clients."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import serving
from support.tls import authority, expired, self_signed, server_context, trust, wrong_name

from triverse import AsyncTriverse, ConnectionFailedError, Triverse


def file_name_of(certificate: x509.Certificate) -> str:
    """Return the file name that OpenSSL opens: a hash of the subject, in lower case and without its outer header."""
    subject = x509.Name([x509.NameAttribute(part.oid, str(part.value).lower()) for part in certificate.subject])
    digest = hashlib.sha1(subject.public_bytes()[2:], usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}.0"


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
def test_a_directory_of_certificates_is_trusted(mode: Mode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pem = authority().cert_pem.bytes()
    (tmp_path / file_name_of(x509.load_pem_x509_certificate(pem))).write_bytes(pem)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(tls=server_context()) as server:
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
        monkeypatch.delenv("SSL_CERT_DIR")
        with pytest.raises(ConnectionFailedError):
            drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url, max_retries=0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
@pytest.mark.parametrize(
    ("context", "message"),
    [(wrong_name, "not valid for 'localhost'"), (expired, "has expired"), (self_signed, "unable to get local issuer")],
)
def test_the_error_names_what_is_wrong_with_a_certificate(
    mode: Mode, context: Callable[[], ssl.SSLContext], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trust(monkeypatch, tmp_path)
    with serving(tls=context()) as server, pytest.raises(ConnectionFailedError, match=message):
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url, max_retries=0)


@pytest.mark.anyio
async def test_all_clients_of_a_process_share_one_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trust(monkeypatch, tmp_path)
    made: list[ssl.SSLContext] = []
    make = httpx.create_ssl_context

    def counted() -> ssl.SSLContext:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    with serving(tls=server_context()) as server:
        for _ in range(3):
            with Triverse(KEY, base_url=server.url) as client:
                client.users.balance()
                client.with_options(max_retries=0).users.me()
            async with AsyncTriverse(KEY, base_url=server.url) as async_client:
                await async_client.users.balance()
    assert len(made) == 1
