"""Remove the key, and the queries of URLs, from the log records of the HTTP libraries.

httpx logs each request's URL at level INFO, and httpcore the headers of every response at level DEBUG. A path may
contain the key, and a server may send it back in a header. The query of a URL of a file is a signature that gives
access to it; such URLs are requested, and come in the header `Location`.

Python asks the filters of the logger that a record was made with, and not those of its parents. So the filter must be
on each logger of these libraries.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Final

from triverse.core.secret import Secret

__all__ = ["current_key", "reset_key"]

current_key: ContextVar[Secret | None] = ContextVar("current_key", default=None)
"""The key of the attempt that this thread or task is making."""


def reset_key(token: Token[Secret | None]) -> None:
    """Set `current_key` back, in a task."""
    # The garbage collector closes the coroutine of a task whose event loop is gone in whatever context it runs.
    with suppress(ValueError):
        current_key.reset(token)


_LIBRARIES: Final = ("httpx", "httpx2", "httpcore", "httpcore2")
_PARTS: Final = ("connection", "http11", "http2", "proxy", "socks")


_QUERIES: Final = re.compile(r"""(https?://[^\s'"?]*\?|b'location', b'[^'?]*\?)[^\s'"]+""", re.IGNORECASE)


def _redact_record(record: logging.LogRecord) -> bool:
    key = current_key.get()
    if key is None:
        return True
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a malformed logging call, which the handler reports
        return True
    redacted = _QUERIES.sub(r"\1…", key.redact(message))
    if redacted != message:
        record.msg, record.args = redacted, None
    return True


for _library in _LIBRARIES:
    logging.getLogger(_library).addFilter(_redact_record)
    for _part in _PARTS:
        logging.getLogger(f"{_library}.{_part}").addFilter(_redact_record)
