"""Faults on demand: what goes wrong, and for which requests."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, TypeAlias, cast

from attrs import define, evolve, field, frozen

from triverse.core.errors import ConfigurationError
from triverse.sandbox.errors import documented
from triverse.sandbox.http import Answer, Delivery, Received, failure

__all__ = ["Fault", "Faults", "Match"]

Match: TypeAlias = str | Callable[[Received], bool]
"""Which requests: those to this path, or those that this function picks."""

_HTML: Final = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


@frozen(kw_only=True)
class Fault:
    """What goes wrong with one answer. What is not said here stays as it would have been.

    Attributes:
        status: HTTP status of an error.
        code: the service's own error number, such as 2010; by default the documented one of the status.
        message: by default the documented one.
        suggestion: by default the documented one.
        retry_after: seconds to wait, or any text, for the header `Retry-After`.
        headers: further headers of the answer.
        body: sent instead, as it is.
        content_type: of that body.
        latency: seconds before the answer comes; `math.inf` for never.
        delivery: whether it arrives whole.
        pause: seconds between two bytes of a body that trickles.
        mistyped: whether each value of the result has another type than documented.

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
    content_type: str = "application/json"
    latency: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.0
    mistyped: bool = False

    @classmethod
    def malformed_json(cls) -> Fault:
        """A success whose JSON breaks off."""
        return cls(body='{"code": 0, "message": "success", "data": {"balance": ')

    @classmethod
    def wrong_types(cls) -> Fault:
        """A success in which each value has another type than documented."""
        return cls(mistyped=True)

    @classmethod
    def html(cls, status: int = 502) -> Fault:
        """A page for people, as proxies send it."""
        return cls(status=status, body=_HTML, content_type="text/html")

    @classmethod
    def truncated(cls) -> Fault:
        """Half of the body; then the connection ends."""
        return cls(delivery=Delivery.TRUNCATED)

    @classmethod
    def trickled(cls, pause: float = 0.05) -> Fault:
        """The body byte by byte, with so many seconds between them."""
        return cls(delivery=Delivery.TRICKLED, pause=pause)

    @classmethod
    def reset(cls) -> Fault:
        """No answer: the connection breaks."""
        return cls(delivery=Delivery.RESET)

    @classmethod
    def silent(cls) -> Fault:
        """No answer, ever."""
        return cls(latency=math.inf)

    def spoil(self, usual: Answer) -> Answer:
        """What arrives instead of the usual answer."""
        answer = self._error() if self.status is not None or self.code is not None else usual
        headers = dict(answer.headers)
        if self.body is not None:
            headers["Content-Type"] = self.content_type
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return evolve(
            answer,
            body=self._body(answer),
            headers={**headers, **self.headers},
            latency=self.latency,
            delivery=self.delivery,
            pause=self.pause,
        )

    def _error(self) -> Answer:
        row = documented(self.status, self.code)
        return failure(row._replace(message=self.message or row.message, suggestion=self.suggestion or row.suggestion))

    def _body(self, answer: Answer) -> bytes:
        if self.body is not None:
            return self.body.encode() if isinstance(self.body, str) else self.body
        return _mistyped(answer.body) if self.mistyped else answer.body


def _mistyped(body: bytes) -> bytes:
    frame = cast("dict[str, object]", json.loads(body))
    data = frame.get("data")
    if isinstance(data, dict):
        frame["data"] = {name: [value] for name, value in cast("dict[str, object]", data).items()}
    return json.dumps(frame).encode()


@define
class _Planned:
    fault: Fault
    times: float
    match: Match | None

    def applies(self, request: Received) -> bool:
        if self.match is None:
            return True
        return request.path == self.match if isinstance(self.match, str) else self.match(request)


class Faults:
    """What goes wrong next, as `sandbox.faults`."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = Lock()

    def add(self, fault: Fault, *, times: int | None = None, match: Match | None = None) -> None:
        """Let requests meet this fault. Where several faults match, the one that was added first goes first.

        Args:
            fault: what goes wrong.
            times: how many requests meet it. None: every one, until `clear()`.
            match: the path of the requests, such as `/users/balance`, or a function that picks them. None: all.

        Raises:
            ConfigurationError: `times` is not a positive number.
        """
        if times is not None and times < 1:
            message = f"times must be a positive whole number or None, not {times!r}"
            raise ConfigurationError(message)
        with self._lock:
            self._planned.append(_Planned(fault, math.inf if times is None else times, match))

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        with self._lock:
            self._planned.clear()

    def take(self, request: Received) -> Fault | None:
        """The fault that this request meets, used up by one; None for none."""
        with self._lock:
            planned = next((planned for planned in self._planned if planned.applies(request)), None)
            if planned is None:
                return None
            planned.times -= 1
            if planned.times <= 0:
                self._planned.remove(planned)
            return planned.fault
