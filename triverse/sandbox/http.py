"""Requests and responses of the sandbox, as values."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from attrs import field, frozen

from triverse.core.headers import Headers
from triverse.core.response_body import BodyError, parse
from triverse.core.result import Result
from triverse.core.structure import structurer
from triverse.core.validation import MismatchError
from triverse.sandbox.accounts import KEY
from triverse.sandbox.content import Content, SeekableFile
from triverse.sandbox.errors import ErrorSpec, api_error

__all__ = [
    "MAX_BODY_BYTES",
    "Delivery",
    "SandboxRequest",
    "SandboxResponse",
    "envelope",
    "failure",
    "json_response",
    "success",
]

T = TypeVar("T")

_REDACTED: Final = "[redacted]"
_PREFIX: Final = "/api/v1"

MAX_BODY_BYTES: Final = 1024 * 1024
"""Largest body of a request that is kept in memory. Only uploads may be larger."""


class Delivery(Enum):
    """How a response arrives.

    Attributes:
        WHOLE: as it is.
        TRUNCATED: a part of the body, then the connection is closed.
        ABORTED: a part of the body, then the connection is reset.
        TRICKLED: the body byte by byte.
        RESET: not at all; the connection is reset.
        REFUSED: not at all; there is no connection.
    """

    WHOLE = "whole"
    TRUNCATED = "truncated"
    ABORTED = "aborted"
    TRICKLED = "trickled"
    RESET = "reset"
    REFUSED = "refused"

    @property
    def arrives(self) -> bool:
        """Whether anything arrives at all."""
        return self not in {Delivery.RESET, Delivery.REFUSED}


@frozen
class SandboxRequest:
    """A request, as the sandbox received it.

    Attributes:
        method: HTTP method.
        path: below the base URL, such as `/users/me`, without the query.
        headers: by lower-case name; several of one name are joined by a comma.
        body: all of it, or its first MiB if it is longer.
        query: parameters of the query.
        origin: scheme, host and port by which the client reached the sandbox.
        file: the whole body.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(hash=False)
    body: bytes = field(default=b"", repr=False)
    query: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    origin: str = "http://127.0.0.1"
    file: SeekableFile = field(factory=io.BytesIO, repr=False, eq=False)

    @classmethod
    def of(
        cls,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: bytes | SeekableFile = b"",
        origin: str | None = None,
    ) -> SandboxRequest:
        """Return the request of these parts. The path may begin with `/api/v1` or not."""
        merged: dict[str, str] = {}
        for name, value in headers:
            known = merged.get(name.lower())
            merged[name.lower()] = value if known is None else f"{known}, {value}"
        path, _, query = target.partition("?")
        below = path.removeprefix(_PREFIX) if path.startswith(f"{_PREFIX}/") else path
        file = io.BytesIO(body) if isinstance(body, bytes) else body
        file.seek(0)
        start = file.read(MAX_BODY_BYTES)
        params = MappingProxyType(dict(parse_qsl(query, keep_blank_values=True)))
        seen_as = f"http://{merged.get('host', '127.0.0.1')}" if origin is None else origin
        return cls(method, below, MappingProxyType(merged), start, params, seen_as, file)

    @property
    def key(self) -> str | None:
        """The bearer token; None without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def json(self, into: type[T]) -> T:
        """Return the JSON body as this type, checked as strictly as a client checks responses.

        Raises:
            BadRequestError: code 1004: it is something else.
        """
        try:
            return structurer(into)(parse(self.body, Headers()), "body")
        except BodyError as error:
            raise api_error(1004, "Invalid parameters: the body is not JSON.") from error
        except MismatchError as error:
            raise api_error(1004, f"Invalid parameters: {error}.") from error

    def redacted(self) -> SandboxRequest:
        """Return the same request without keys, credentials and body, for a log."""
        headers = {_redact(self.key, name): _redact(self.key, value) for name, value in self.headers.items()}
        if "authorization" in headers:
            scheme, space, _ = headers["authorization"].partition(" ")
            headers["authorization"] = f"{scheme} {_REDACTED}" if space else _REDACTED
        query = {_redact(self.key, name): _redact(self.key, value) for name, value in self.query.items()}
        method, path = _redact(self.key, self.method), _redact(self.key, self.path)
        return SandboxRequest(method, path, MappingProxyType(headers), query=MappingProxyType(query))


def _redact(key: str | None, text: str) -> str:
    text = KEY.sub(_REDACTED, text)
    return text.replace(key, _REDACTED) if key else text


@frozen
class SandboxResponse:
    """A response, and how it arrives.

    Attributes:
        status: HTTP status.
        body: all of it, even if less arrives; empty if the response has `content`.
        headers: its own, beside those that every server adds.
        latency: seconds before anything arrives; infinite for never.
        delivery: how it arrives.
        pause: seconds between two bytes of a body that trickles.
        after: how much of a body arrives that is truncated or aborted: a share, or a number of bytes.
        content: the body, if it is not held in memory.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    latency: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.0
    after: float = 0.5
    content: Content | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Number of bytes of the whole body."""
        return len(self.body) if self.content is None else self.content.size

    @property
    def breaks_off(self) -> bool:
        """Whether the connection ends before the body does."""
        return self.delivery in {Delivery.TRUNCATED, Delivery.ABORTED}

    def chunks(self) -> Iterator[bytes]:
        """Yield what arrives of the body."""
        if self.delivery is Delivery.TRICKLED:
            for chunk in self._until(self.size):
                yield from (chunk[at : at + 1] for at in range(len(chunk)))
        elif self.breaks_off:
            yield from self._until(
                min(self.size, self.after if isinstance(self.after, int) else int(self.after * self.size))
            )
        else:
            yield from self._until(self.size)

    def _until(self, stop: int) -> Iterator[bytes]:
        if self.content is not None:
            yield from self.content.chunks(0, stop)
        elif stop:
            yield self.body[:stop]


def success(result: Result | Mapping[str, object], status: int = 200) -> SandboxResponse:
    """Return the documented success envelope around a result."""
    data = result.to_dict() if isinstance(result, Result) else result
    return json_response(status, {"code": 0, "message": "success", "data": data})


def envelope(error: ErrorSpec) -> dict[str, object]:
    """Return the documented error object."""
    body: dict[str, object] = {"code": error.code, "message": error.message}
    if error.suggestion:
        body["suggestion"] = error.suggestion
    return body


def failure(error: ErrorSpec, headers: Mapping[str, str] | None = None) -> SandboxResponse:
    """Return the response for an error."""
    return json_response(error.status, envelope(error), headers)


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> SandboxResponse:
    """Return a response with a JSON body."""
    encoded = json.dumps(body, default=str).encode()
    return SandboxResponse(status, encoded, {"Content-Type": "application/json", **(headers or {})})
