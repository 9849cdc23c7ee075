"""Exit statuses, errors, and the text or JSON that commands print.

One rule holds for all commands: text goes to standard output, one line an error to standard error. With `--json`,
standard output has exactly one JSON object, also for an error, and standard error has JSON lines only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Final, TextIO

from triverse.core.errors import ConfigurationError, TransportError, TriverseError

__all__ = [
    "API_ERROR",
    "BELOW_THRESHOLD",
    "INPUT_REFUSED",
    "INTERRUPTED",
    "NETWORK",
    "OK",
    "TASK_FAILED",
    "TIMED_OUT",
    "USAGE",
    "CommandError",
    "OutputError",
    "credits_text",
    "for_command",
    "is_terminal",
    "keeping",
    "print_error",
    "print_fields",
    "print_json",
    "print_note",
    "printable",
    "silence",
    "status_of",
    "utc_now",
    "with_full_stop",
    "write_line",
]

OK: Final = 0
API_ERROR: Final = 1
USAGE: Final = 2
BELOW_THRESHOLD: Final = 3
NETWORK: Final = 4
TASK_FAILED: Final = 5
TIMED_OUT: Final = 6
INPUT_REFUSED: Final = 7
INTERRUPTED: Final = 130


class CommandError(Exception):
    """Ends a command with a status, and with an error unless the message is empty.

    Attributes:
        status: the exit status.
        details: more members of the JSON error object.
    """

    def __init__(self, message: object, status: int, **details: object) -> None:
        super().__init__(str(message))
        self.status = status
        self.details = details


class OutputError(Exception):
    """Standard output cannot be written to: it is full, or closed by its reader.

    Attributes:
        status: the exit status that the command has apart from that.
    """

    def __init__(self, cause: OSError, status: int) -> None:
        super().__init__(f"standard output: {cause.strerror or cause}")
        self.cause = cause
        self.status = status


@contextmanager
def keeping(status: int) -> Generator[None]:
    """Keep this exit status even if standard output cannot be written to in the `with` block.

    Raises:
        OutputError: it cannot.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(error, status) from error


def status_of(error: TriverseError) -> int:
    """The exit status of an error."""
    if isinstance(error, ConfigurationError):
        return USAGE
    return NETWORK if isinstance(error, TransportError) else API_ERROR


def printable(text: object) -> str:
    """The text as one line without control characters: servers and files may contain any character."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))


# Arguments of the SDK in the texts of its errors, and what a user of the command has in their place.
_OPTIONS_OF_THE_SDK: Final = {
    "pass allow_http=True or set TRIVERSE_ALLOW_HTTP=1": "set TRIVERSE_ALLOW_HTTP=1",
    "pass the key as api_key": "set the key as TRIVERSE_API_KEY",
    "client_order_id must": "--order-id must",
    ", or False to send none, or None to generate one": "",
}


def for_command(text: str, source: str) -> str:
    """The text of an error in terms of the command. To the SDK, a command's key is the argument `api_key`.

    Args:
        text: of an error of the SDK.
        source: where the key came from.
    """
    for option, words in {"the argument api_key": source, **_OPTIONS_OF_THE_SDK}.items():
        text = text.replace(option, words)
    return text


def with_full_stop(text: str) -> str:
    """The text as a sentence that others can follow."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads this stream; a stream that is closed has no reader."""
    return not stream.closed and stream.isatty()


def write_line(text: str = "", *, flush: bool = False) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{text}\n")
    if flush:
        sys.stdout.flush()


def utc_now() -> str:
    """The time of this moment, such as 2026-06-01T08:15:30Z."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def print_error(problem: object) -> None:
    """Write one line to standard error. If that is closed or full, the exit status still shows the kind of error."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    print_note(f"triverse: {printable(problem)}")


def print_note(text: str) -> None:
    """Write one line to standard error. If that is closed or full, the command goes on: it may be a paid task's."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def print_json(value: Mapping[str, object], *, error: bool = False) -> None:
    """Write one JSON object on one line, and flush it, since another program may wait for it."""
    text = json.dumps(value, default=str)
    if error:
        print_note(text)
    else:
        write_line(text, flush=True)


def print_fields(fields: Mapping[str, object]) -> None:
    """Write one field a line: its name, and its value in a column."""
    width = max(map(len, fields))
    for name, value in fields.items():
        write_line(f"{name:{width}}  {printable(value)}")


def credits_text(amount: float) -> str:
    """An amount of credits: 120 rather than 120.0."""
    return str(int(amount)) if amount.is_integer() else repr(amount)


def silence(stream: TextIO) -> None:
    """Send the rest of a stream that cannot be written to the null device.

    The interpreter flushes both streams when it exits, and would print a traceback and end with status 120.
    """
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
