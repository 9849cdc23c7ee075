"""The storage behind the service: files by signed URLs that expire, without an API key.

Like an object store, it answers with XML, and refuses requests that have both a signature and a key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import quote

from triverse.sandbox import assets
from triverse.sandbox.accounts import Account
from triverse.sandbox.content import Bytes, Content
from triverse.sandbox.delivery import deliver
from triverse.sandbox.environment import Environment
from triverse.sandbox.http import SandboxRequest, SandboxResponse

__all__ = ["STORAGE_PATH", "respond", "signed_url"]

STORAGE_PATH: Final = "/storage/"


def signed_url(environment: Environment, origin: str, key: str, *, hops: int = 0) -> str:
    """Return a URL for the file under this key.

    Args:
        environment: with the clock, and how long URLs are valid.
        origin: scheme, host and port of the storage.
        key: of the file.
        hops: how many redirects lead to the file.
    """
    expires = int(_now(environment) + environment.settings.url_seconds)
    query = f"expires={expires}&hops={hops}&signature={_signature(environment, key, expires, hops)}"
    return f"{origin}{STORAGE_PATH}{quote(key)}?{query}"


def _now(environment: Environment) -> float:
    return environment.time_of(environment.clock()).timestamp()


def _signature(environment: Environment, key: str, expires: int, hops: int) -> str:
    return hmac.new(environment.secret, f"{key} {expires} {hops}".encode(), hashlib.sha256).hexdigest()


def respond(environment: Environment, accounts: Iterable[Account], request: SandboxRequest) -> SandboxResponse:
    """Answer a request to `/storage/…`."""
    if request.method != "GET":
        return _error(405, "MethodNotAllowed", "Use GET.", {"Allow": "GET"})
    if "authorization" in request.headers:
        return _error(400, "InvalidArgument", "Send either a signature or the header Authorization, not both.")
    key = request.path.removeprefix(STORAGE_PATH)
    expires, hops = _integer(request.query.get("expires")), _integer(request.query.get("hops"))
    expected = _signature(environment, key, expires, hops)
    if not hmac.compare_digest(request.query.get("signature", "").encode(), expected.encode()):
        return _error(403, "SignatureDoesNotMatch", "The signature of the URL is wrong.")
    if _now(environment) > expires:
        return _error(403, "AccessDenied", "The URL has expired. Ask for a new one.")
    if hops:
        return SandboxResponse(307, headers={"Location": signed_url(environment, request.origin, key, hops=hops - 1)})
    return _file(environment, accounts, request, key)


def _file(environment: Environment, accounts: Iterable[Account], request: SandboxRequest, key: str) -> SandboxResponse:
    found = _find(environment, accounts, key)
    if found is None:
        return _error(404, "NoSuchKey", "There is no such file.")
    content, media_type = found
    return deliver(request, environment.settings, key, content, {"Content-Type": media_type})


def _integer(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 20 else 0  # noqa: PLR2004 - digits of a time


def _find(environment: Environment, accounts: Iterable[Account], key: str) -> tuple[Content, str] | None:
    for account in accounts:
        upload = account.uploads.find(key)
        if upload is not None:
            return upload, upload.content_type
        task = account.tasks.find(key.split("/")[1]) if key.count("/") == 2 else None  # noqa: PLR2004 - tasks/{task_uuid}/{name}
        if task is not None and key.endswith(".glb"):
            return assets.model(task.uuid, environment.settings.model_bytes), "model/gltf-binary"
        if task is not None:
            return Bytes(assets.preview(task.uuid)), "image/png"
    return None


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> SandboxResponse:
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    )
    return SandboxResponse(status, body.encode(), {"Content-Type": "application/xml", **(headers or {})})
