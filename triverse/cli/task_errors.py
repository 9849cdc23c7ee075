"""Errors of commands that create, wait for and download tasks: their exit status, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from triverse import BadRequestError, ConfigurationError, DeadlineExceededError, TaskError, TriverseError
from triverse.cli.options import ClientFactory
from triverse.cli.output import (
    API_ERROR,
    INPUT_REFUSED,
    INTERRUPTED,
    TASK_FAILED,
    TIMED_OUT,
    CommandError,
    for_command,
    status_of,
    with_full_stop,
)

__all__ = ["input_errors", "resumable", "resume_command", "time_limit"]


@contextmanager
def input_errors() -> Generator[None]:
    """Wrap the calls that check a prompt, a file or a parameter.

    Raises:
        CommandError: one was refused, here or by the service, or a file cannot be read.
    """
    try:
        yield
    except (ConfigurationError, BadRequestError) as error:
        raise CommandError(for_command(str(error), "the profile"), INPUT_REFUSED) from error
    except OSError as error:
        if isinstance(error, TriverseError):
            raise
        raise CommandError(_os_error(error), INPUT_REFUSED) from error


@contextmanager
def time_limit() -> Generator[None]:
    """Wrap an upload that `--timeout` limits.

    Raises:
        CommandError: the time ran out.
    """
    try:
        yield
    except DeadlineExceededError as error:
        raise CommandError(error, TIMED_OUT) from error


def resume_command(factory: ClientFactory, task_uuid: UUID, to: Path | None) -> str | None:
    """The command that takes a task up again. None for a local Triverse, which ends with its command."""
    if factory.sandbox:
        return None
    profile = [] if factory.profile is None else ["--profile", factory.profile]
    target = [] if to is None else ["-o", str(to)]
    return shlex.join(["triverse", "task", "wait", str(task_uuid), *target, *profile])


@contextmanager
def resumable(task_uuid: UUID, command: str | None) -> Generator[None]:
    """Wrap what is done with a task that exists. Every error names the command that takes it up again.

    Raises:
        CommandError: something failed, or the user pressed Ctrl-C.
    """
    details = {"task_uuid": task_uuid, "resume": command}
    how = f"To go on with the task: {command}" if command else "The local Triverse ended with this command."
    try:
        yield
    except KeyboardInterrupt as error:
        raise CommandError(f"interrupted; the task is {task_uuid}. {how}", INTERRUPTED, **details) from error
    except TaskError as error:
        raise CommandError(error, TASK_FAILED, task_uuid=task_uuid) from error
    except DeadlineExceededError as error:
        status = TIMED_OUT if error.task_uuid is not None else status_of(error)
        raise CommandError(f"{with_full_stop(str(error))} {how}", status, **details) from error
    except TriverseError as error:
        raise CommandError(f"{with_full_stop(str(error))} {how}", status_of(error), **details) from error
    except FileExistsError as error:
        message = f"{_os_error(error)}: replace it with --overwrite, or choose another -o. {how}"
        raise CommandError(message, API_ERROR, **details) from error
    except OSError as error:
        raise CommandError(f"{_os_error(error)}. {how}", API_ERROR, **details) from error


def _os_error(error: OSError) -> str:
    name = "" if error.filename is None else f"{error.filename}: "
    return f"{name}{error.strerror or error}"
