"""What makes a fault impossible, so that no test passes because of a fault that never happens."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.http import Delivery

if TYPE_CHECKING:
    from triverse.sandbox.faults import Fault

__all__ = ["problems"]

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def problems(fault: Fault) -> Iterator[str]:
    """Yield each reason why the fault can never happen, or would change nothing."""
    yield from _wrong_values(fault)
    if not fault.is_error and (fault.message is not None or fault.suggestion is not None):
        yield "message and suggestion are parts of an error; set status or code as well"
    if fault.body is not None and (fault.message, fault.suggestion, fault.alter) != (None, None, None):
        yield "body replaces what message, suggestion and alter would change"
    if fault.body is None and fault.content_type is not None:
        yield "content_type is that of body; set body as well"
    if fault.is_error and fault.alter is not None:
        yield "alter changes a usual response, and status and code replace it"
    if fault.pause and fault.delivery is not Delivery.TRICKLED:
        yield "pause needs delivery=Delivery.TRICKLED"
    yield from _without_effect(fault)


def _without_effect(fault: Fault) -> Iterator[str]:
    parts = any((fault.is_error, fault.body is not None, fault.alter, fault.headers, fault.retry_after is not None))
    if not fault.delivery.arrives or math.isinf(fault.latency):
        if parts:
            yield "no response arrives, so it has no status, headers or body"
    elif not parts and not fault.latency and fault.delivery is Delivery.WHOLE:
        yield "it changes nothing"


def _wrong_values(fault: Fault) -> Iterator[str]:
    if fault.status is not None and not (_is_number(fault.status, int) and 200 <= fault.status <= 599):  # noqa: PLR2004 - HTTP
        yield f"status is a whole number from 200 to 599, not {fault.status!r}"
    if fault.code is not None and fault.code not in ERROR_SPECS:
        yield f"the service documents no code {fault.code!r}; use status and body for a response of your own"
    for name, value in (("latency", fault.latency), ("pause", fault.pause), ("after", fault.after)):
        if not _is_number(value, int, float) or not value >= 0:
            yield f"{name} is a number that is not negative, not {value!r}"
    if math.isinf(fault.pause):
        yield "pause is finite; use Fault.silent() for a response that never comes"
    if isinstance(fault.after, float) and fault.after > 1:
        yield f"after is a share of the body (float, up to 1.0) or a number of bytes (int), not {fault.after!r}"
    retry_after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    for name, text in {**fault.headers, **retry_after}.items():
        if not _is_header(name, text):
            yield f"not an HTTP header: {name!r}: {text!r}"


def _is_number(value: object, *kinds: type[object]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _is_header(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str) or not _HEADER_NAME.fullmatch(name):
        return False
    return not re.search(r"[\r\n\0]|[^\x00-\xff]", value)
