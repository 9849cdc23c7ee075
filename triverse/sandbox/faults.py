"""Faults: what goes wrong with one request."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from attrs import evolve, field, fields, frozen

from triverse.sandbox import alterations
from triverse.sandbox.errors import find_error_spec
from triverse.sandbox.http import Delivery, SandboxResponse, failure

__all__ = ["Fault"]

_HTML: Final = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


@frozen(kw_only=True, repr=False)
class Fault:
    """What goes wrong with one request. What is not set here stays as it would have been.

    Attributes:
        status: HTTP status of an error.
        code: the service's own error number, such as 2010; by default the documented one of the status.
        message: by default the documented one.
        suggestion: by default the documented one; empty text for an error without one.
        retry_after: seconds to wait, or any text, for the header `Retry-After`.
        headers: further headers of the response.
        body: sent instead of the usual body, unchanged.
        content_type: of that body.
        latency: seconds before the response comes; `math.inf` for never.
        delivery: how the response arrives.
        pause: seconds between two bytes of a body that trickles.
        after: how much of a body arrives that breaks off: a share (float), or a number of bytes (int).
        alter: a function that changes the usual response.
        processed: whether the service does its work all the same, such as creating the task. By default it does, unless
            the fault is an error, a reset or a silence.

    Example:
        ```python
        from triverse.sandbox import Fault, Sandbox

        sandbox = Sandbox()
        sandbox.faults.add(Fault(status=429, retry_after=1), times=2)
        sandbox.faults.add(Fault.reset(), match="/users/balance")
        ```
    """

    status: int | None = None
    code: int | None = None
    message: str | None = None
    suggestion: str | None = None
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    body: str | bytes | None = None
    content_type: str | None = None
    latency: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.0
    after: float = 0.5
    alter: Callable[[SandboxResponse], SandboxResponse] | None = None
    processed: bool | None = None

    @classmethod
    def malformed_json(cls) -> Fault:
        """A success with JSON that breaks off."""
        return cls(body='{"code": 0, "message": "success", "data": {"balance": ')

    @classmethod
    def wrong_types(cls) -> Fault:
        """A success in which each value has another type than documented."""
        return cls(alter=alterations.mistyped)

    @classmethod
    def html(cls, status: int = 502) -> Fault:
        """A web page, as proxies send it."""
        return cls(status=status, body=_HTML, content_type="text/html")

    @classmethod
    def redirect(cls, location: str, *, status: int = 307) -> Fault:
        """A redirect to this URL."""
        return cls(status=status, body=b"", headers={"Location": location})

    @classmethod
    def truncated(cls, after: float = 0.5, *, reset: bool = False) -> Fault:
        """A part of the body, then the end of the connection.

        Args:
            after: how much arrives: a share (float), or a number of bytes (int).
            reset: whether the connection is reset instead of closed.
        """
        return cls(delivery=Delivery.ABORTED if reset else Delivery.TRUNCATED, after=after)

    @classmethod
    def trickled(cls, pause: float = 0.05) -> Fault:
        """The body byte by byte, with a pause (seconds) between two bytes."""
        return cls(delivery=Delivery.TRICKLED, pause=pause)

    @classmethod
    def refused(cls) -> Fault:
        """No connection. The sandbox's own port has accepted it already, and resets it."""
        return cls(delivery=Delivery.REFUSED)

    @classmethod
    def reset(cls, *, processed: bool = False) -> Fault:
        """No response: the connection breaks, before or after the service did its work."""
        return cls(delivery=Delivery.RESET, processed=processed)

    @classmethod
    def silent(cls, *, processed: bool = False) -> Fault:
        """No response, ever, and the service did its work or not."""
        return cls(latency=math.inf, processed=processed)

    @classmethod
    def filename(cls, name: str) -> Fault:
        """A download under this file name, in UTF-8 where it is not ASCII."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return cls(alter=partial(alterations.with_headers, {"Content-Disposition": f'attachment; filename="{quoted}"'}))

    @classmethod
    def etag(cls, value: str | None) -> Fault:
        """A download with this ETag, such as `'W/"1"'`. None: without one."""
        return cls(alter=partial(alterations.with_headers, {"ETag": value}))

    @classmethod
    def range_ignored(cls) -> Fault:
        """The whole body with status 200, although a range was asked for."""
        return cls(alter=alterations.whole)

    @classmethod
    def wrong_range(cls, *, offset: int = 0, total: int = 0) -> Fault:
        """A 206 whose `Content-Range` states a start or a total that is larger by this number of bytes."""
        return cls(alter=partial(alterations.shifted, offset, total))

    @classmethod
    def glb_length(cls, difference: int) -> Fault:
        """A GLB whose header states a length that is larger by this number of bytes, or smaller if negative."""
        return cls(alter=partial(alterations.with_glb_length, difference))

    def __repr__(self) -> str:
        values = ((attribute, getattr(self, attribute.name)) for attribute in fields(Fault))
        changed = (f"{one.name}={value!r}" for one, value in values if value not in (one.default, {}))
        return f"Fault({', '.join(changed)})"

    @property
    def is_processed(self) -> bool:
        """Whether the service does its work although this fault happens."""
        if self.processed is not None:
            return self.processed
        return not (self.is_error or not self.delivery.arrives or math.isinf(self.latency))

    @property
    def is_error(self) -> bool:
        """Whether it is an error with a status."""
        return self.status is not None or self.code is not None

    def apply(self, usual: SandboxResponse) -> SandboxResponse:
        """Return what arrives instead of the usual response."""
        response = self._error() if self.is_error else usual
        if self.alter is not None:
            response = self.alter(response)
        headers = dict(response.headers)
        if self.body is not None:
            headers["Content-Type"] = self.content_type or "application/json"
            body = self.body.encode() if isinstance(self.body, str) else self.body
            response = evolve(response, body=body, content=None)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return evolve(
            response,
            headers={**headers, **self.headers},
            latency=self.latency,
            delivery=self.delivery,
            pause=self.pause,
            after=self.after,
        )

    def _error(self) -> SandboxResponse:
        row = find_error_spec(self.status, self.code)
        suggestion = row.suggestion if self.suggestion is None else self.suggestion
        return failure(row._replace(message=self.message or row.message, suggestion=suggestion))
