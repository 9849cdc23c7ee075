"""How an error of a command is shown, and which exit status it has."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import click

from triverse.cli.output import (
    API_ERROR,
    INTERRUPTED,
    OK,
    USAGE,
    CommandError,
    OutputError,
    for_command,
    print_error,
    print_json,
    printable,
    status_of,
    with_full_stop,
)
from triverse.core.api_errors import AuthenticationError, NotFoundError, PermissionDeniedError, ServerError
from triverse.core.errors import InvalidResponseError, TransportError, TriverseError
from triverse.core.result import Result

__all__ = ["error_object", "report"]

# Attributes of errors that the JSON object of an error shows.
_DETAILS = (
    "status_code", "code", "suggestion", "request_id", "retry_after", "method", "url",
    "client_order_id", "task_may_exist", "task_uuid",
)  # fmt: skip

# Writing to standard output ends in these. Commands wrap what they do with files of the user.
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF}

# `triverse doctor` can find the cause of these.
_EXAMINED = TransportError, InvalidResponseError, AuthenticationError, PermissionDeniedError, NotFoundError, ServerError


def report(error: BaseException, *, as_json: bool) -> int:
    """Show an error that ended a command, and return the exit status.

    Raises:
        BaseException: this one, if it is a fault of this package.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, OSError) and not isinstance(error, TriverseError) and error.errno in _OUTPUT_ERRORS:
        raise OutputError(error, OK) from error
    message, status = _message_and_status(error)
    if as_json:
        print_json({"error": error_object(error, message, status)})
    elif not isinstance(error, (KeyboardInterrupt, click.Abort)):
        print_error(message)
    return status


def _message_and_status(error: BaseException) -> tuple[str, int]:
    match error:
        case CommandError():
            return str(error), error.status
        case click.ClickException():
            return _usage(error), USAGE
        case TriverseError():
            return _with_doctor(error), status_of(error)
        case KeyboardInterrupt() | click.Abort():
            return "interrupted", INTERRUPTED
        case OSError():
            return str(error), API_ERROR
        case _:
            raise error


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "triverse"
    message = error.format_message()
    return f"{message}{'' if message.endswith(('.', '?')) else '.'} Try: {command} --help"


def _with_doctor(error: TriverseError) -> str:
    """The text of an error, with the command that finds the cause if there is a cause to be found."""
    text = for_command(str(error), "the profile")
    if isinstance(error, _EXAMINED):
        return f"{with_full_stop(text)} To find the cause: triverse doctor"
    return text


def error_object(error: BaseException, message: str, status: int) -> Mapping[str, object]:
    """The members of the JSON object of an error."""
    origin = error.__cause__ if isinstance(error, CommandError) and error.__cause__ else error
    found = {name: getattr(origin, name, None) for name in _DETAILS}
    details = {name: value for name, value in found.items() if value is not None}
    if getattr(origin, "client_order_id", None) is None:
        # True and False have a meaning only for calls that create a task.
        details.pop("task_may_exist", None)
    if isinstance(error, CommandError):
        details |= error.details
    if isinstance(origin, TriverseError) and isinstance(origin.task, Result):
        details["task"] = origin.task.to_dict()
    kind = "Interrupted" if status == INTERRUPTED else type(origin).__name__
    return {"type": kind, "message": printable(message), "exit_status": status, **details}
