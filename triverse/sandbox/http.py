"""What comes in and what goes out, as values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar

from attrs import field, frozen

from triverse.core.api_errors import BadRequestError
from triverse.core.headers import Headers
from triverse.core.response_body import BodyError, parse
from triverse.core.result import Result
from triverse.core.structure import structurer
from triverse.core.validation import MismatchError
from triverse.sandbox.accounts import KEY
from triverse.sandbox.errors import Documented, api_error

__all__ = ["MAX_BODY_BYTES", "Answer", "Delivery", "Received", "failure", "success"]

T = TypeVar("T")

_REDACTED: Final = "[redacted]"
_PREFIX: Final = "/api/v1"

MAX_BODY_BYTES: Final = 1024 * 1024
"""How much of a request's body is read."""


class Delivery(Enum):
    """How an answer arrives."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    TRICKLED = "trickled"
    RESET = "reset"


@frozen
class Received:
    """A request, as it came.

    Attributes:
        method: HTTP method.
        path: below the base URL, such as `/users/me`, without the query.
        headers: by lower-case name; several of one name are joined by a comma.
        body: all of it, or its first MiB if it is longer.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(hash=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Received:
        """The request of these parts. Base URLs with and without `/api/v1` both lead here."""
        merged: dict[str, str] = {}
        for name, value in headers:
            known = merged.get(name.lower())
            merged[name.lower()] = value if known is None else f"{known}, {value}"
        below = path.removeprefix(_PREFIX) if path.startswith(f"{_PREFIX}/") else path
        return cls(method, below, MappingProxyType(merged), body[:MAX_BODY_BYTES])

    @property
    def key(self) -> str | None:
        """The bearer token; None without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def json(self, into: type[T]) -> T:
        """The JSON body as this type, checked as strictly as a client checks answers.

        Raises:
            BadRequestError: code 1004, as the service answers: it is something else.
        """
        try:
            return structurer(into)(parse(self.body, Headers()), "body")
        except BodyError as error:
            raise api_error(BadRequestError, 1004, "Invalid parameters: the body is not JSON.") from error
        except MismatchError as error:
            raise api_error(BadRequestError, 1004, f"Invalid parameters: {error}.") from error

    def redacted(self) -> Received:
        """The same request, for people to read: it shows no key of a sandbox's, no credentials and no body."""
        shown = {_without(self.key, name): _without(self.key, value) for name, value in self.headers.items()}
        if "authorization" in shown:
            scheme, space, _ = shown["authorization"].partition(" ")
            shown["authorization"] = f"{scheme} {_REDACTED}" if space else _REDACTED
        method, path = _without(self.key, self.method), _without(self.key, self.path)
        return Received(method, path, MappingProxyType(shown))


def _without(key: str | None, text: str) -> str:
    text = KEY.sub(_REDACTED, text)
    return text.replace(key, _REDACTED) if key else text


@frozen
class Answer:
    """An answer, and how it arrives.

    Attributes:
        status: HTTP status.
        body: all of it, even where less arrives.
        headers: its own, beside those that every server adds.
        latency: seconds before anything arrives; infinite for never.
        delivery: whether it arrives whole.
        pause: seconds between two bytes of a body that trickles.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    latency: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.0

    def pieces(self) -> Iterator[bytes]:
        """What arrives of the body, bit by bit."""
        if self.delivery is Delivery.TRICKLED:
            yield from (self.body[at : at + 1] for at in range(len(self.body)))
        elif self.delivery is Delivery.TRUNCATED:
            yield self.body[: len(self.body) // 2]
        else:
            yield self.body


def success(result: Result) -> Answer:
    """The documented frame around a result."""
    return _json(200, {"code": 0, "message": "success", "data": result.to_dict()})


def failure(error: Documented, headers: Mapping[str, str] | None = None) -> Answer:
    """The documented frame around an error."""
    body: dict[str, object] = {"code": error.code, "message": error.message}
    if error.suggestion is not None:
        body["suggestion"] = error.suggestion
    return _json(error.status, body, headers)


def _json(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status, json.dumps(body, default=str).encode(), {"Content-Type": "application/json", **(headers or {})}
    )
