"""The logs of the HTTP libraries, without the key.

At level DEBUG, httpcore logs the headers of every response, and a server may echo in them what it was sent.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

from triverse.core.secret import Secret

__all__ = ["carried"]

carried: ContextVar[Secret | None] = ContextVar("carried", default=None)
"""The key that this thread or task puts on the wire."""

_LIBRARIES: Final = ("httpx", "httpx2", "httpcore", "httpcore2")
_PARTS: Final = ("connection", "http11", "http2", "proxy", "socks")


def _redact_outcome(record: logging.LogRecord) -> bool:
    key = carried.get()
    if key is not None:
        record.msg, record.args = key.redact(record.getMessage()), None
    return True


for _library in _LIBRARIES:
    logging.getLogger(_library).addFilter(_redact_outcome)
    for _part in _PARTS:
        logging.getLogger(f"{_library}.{_part}").addFilter(_redact_outcome)
