"""`TRIVERSE_LOG=debug` shows each attempt of any program on standard error, without a line of code.

A library must not configure logging on its own (docs.python.org, "Configuring Logging for a Library"), so nothing
happens unless that variable is set. The records are those of the logger `triverse`: they never contain the key.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Final

from triverse.core.text import to_single_line

__all__ = ["configure_logging", "log_as_json", "log_to_stderr"]

_VARIABLE: Final = "TRIVERSE_LOG"
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class _StandardErrorHandler(logging.Handler):
    """Writes to the `sys.stderr` of the moment, which a test or a notebook may have replaced.

    Attributes:
        as_json: write each record as a JSON object.
    """

    as_json = False

    def emit(self, record: logging.LogRecord) -> None:
        # A closed or full standard error must not break the program.
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{self._line(record.levelname.lower(), to_single_line(record.getMessage()))}\n")

    def _line(self, level: str, message: str) -> str:
        if not self.as_json:
            return f"{level}: {message}"
        import json  # noqa: PLC0415 - only commands with --json need it

        return json.dumps({"event": "log", "level": level, "message": message})


def configure_logging() -> None:
    """Do what `TRIVERSE_LOG` asks for."""
    value = os.environ.get(_VARIABLE, "").strip().lower()
    if value in _LEVELS:
        log_to_stderr(_LEVELS[value])
    elif value:
        log_to_stderr(logging.WARNING)
        logging.getLogger("triverse").warning("%s=%s is no log level: use %s", _VARIABLE, value, ", ".join(_LEVELS))


def log_to_stderr(level: int) -> None:
    """Write the records of the logger `triverse` to standard error. A second call adds no second handler."""
    logger = logging.getLogger("triverse")
    logger.setLevel(level)
    if not any(isinstance(handler, _StandardErrorHandler) for handler in logger.handlers):
        logger.addHandler(_StandardErrorHandler())


def log_as_json(as_json: bool) -> None:  # noqa: FBT001 - it is the option of a command
    """Write records to standard error as JSON lines, or as text again. Changes nothing if none are written."""
    for handler in logging.getLogger("triverse").handlers:
        if isinstance(handler, _StandardErrorHandler):
            handler.as_json = as_json
