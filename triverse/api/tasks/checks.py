"""Checks of the arguments of quotes and creations, before anything is sent.

Only limits that the service documents are checked. Values of open lists, such as `model_version`, pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit
from uuid import UUID

from triverse.api.tasks.task import Task
from triverse.api.uploads import UploadedFile
from triverse.core.errors import ConfigurationError
from triverse.core.json_values import to_plain_json
from triverse.core.text import fits_utf8, safe_repr

__all__ = [
    "TaskReference",
    "check_choice",
    "check_file",
    "check_flag",
    "check_flow_name",
    "check_integer",
    "check_object",
    "check_order_id",
    "check_resolution",
    "check_text",
    "check_texts",
    "task_uuid_of",
]

TaskReference: TypeAlias = Task | UUID | str

_FLOW_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORD_END: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RESOLUTION: Final = re.compile(r"[1-9][0-9]*x[1-9][0-9]*")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PATH_LIKE: Final = re.compile(r"[/~]|\.{1,2}[/\\]|[A-Za-z]:|.*\\", re.DOTALL)


def _refuse(name: str, expected: str, value: object) -> ConfigurationError:
    return ConfigurationError(f"{name} must be {expected}, not {safe_repr(value)[:200]}")


def task_uuid_of(task: TaskReference) -> UUID:
    """Return the id of a task.

    Raises:
        ConfigurationError: the argument is not a task, a UUID or its canonical text.
    """
    if isinstance(task, Task):
        return task.task_uuid
    if isinstance(task, UUID):
        return task
    try:
        uuid = UUID(task)
    except (ValueError, TypeError, AttributeError):
        uuid = None
    # UUID() also accepts braces, URNs, uppercase and misplaced hyphens.
    if uuid is None or str(uuid) != task:
        raise _refuse("task", "a Task, a UUID or its canonical text (lowercase, with hyphens)", task)
    return uuid


def check_flow_name(name: str, value: object) -> str:
    """Return the name of a flow, which becomes a part of the path.

    Raises:
        ConfigurationError: it is not one path segment of lowercase letters, digits and single hyphens.
    """
    if isinstance(value, str):
        if _FLOW_NAME.fullmatch(value):
            return value
        words = _WORD_END.sub("-", value).lower()
        suggestion = re.sub(r"[\W_]+", "-", words).strip("-")
        if _FLOW_NAME.fullmatch(suggestion):
            message = f"{name} {safe_repr(value)[:200]} is not a flow name. Did you mean {suggestion[:100]!r}?"
            raise ConfigurationError(message)
    raise _refuse(name, "the name of a flow, such as 'text-to-model'", value)


def check_order_id(value: object) -> str:
    """Return the caller's own `client_order_id`.

    Raises:
        ConfigurationError: it is not 1 to 64 letters, digits, underscores and hyphens.
    """
    if isinstance(value, str) and _ORDER_ID.fullmatch(value):
        return value
    expected = "1 to 64 letters, digits, '_' and '-', or False to send none, or None to generate one"
    raise _refuse("client_order_id", expected, value)


def check_text(name: str, value: object, minimum: int = 0) -> object:
    """Return the text.

    Raises:
        ConfigurationError: it is not a `str`, it is too short, or UTF-8 cannot encode it.
    """
    if not isinstance(value, str):
        raise _refuse(name, "a str", value)
    if not fits_utf8(str.__str__(value)):
        raise _refuse(name, "text without lone surrogates, which UTF-8 cannot encode", value)
    if len(value) < minimum:
        raise _refuse(name, f"at least {minimum} characters long", value)
    return value


def check_texts(name: str, value: object) -> object:
    """Return a list of texts.

    Raises:
        ConfigurationError: it is not a sequence of `str`, or it is a single `str`.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _refuse(name, "a list of str", value)
    return [check_text(f"{name}[{index}]", text) for index, text in enumerate(cast("Sequence[object]", value))]


def check_integer(name: str, value: object, minimum: int, maximum: int) -> object:
    """Return the integer.

    Raises:
        ConfigurationError: it is not an `int` in this range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise _refuse(name, f"an int from {minimum:,} to {maximum:,}", value)
    return value


def check_flag(name: str, value: object) -> object:
    """Return the flag.

    Raises:
        ConfigurationError: it is neither True nor False.
    """
    if not isinstance(value, bool):
        raise _refuse(name, "True or False", value)
    return value


def check_choice(name: str, value: object, choices: Sequence[str]) -> object:
    """Return the value.

    Raises:
        ConfigurationError: it is none of the choices.
    """
    if value not in choices:
        raise _refuse(name, f"one of {', '.join(map(repr, choices))}", value)
    return value


def check_resolution(name: str, value: object) -> object:
    """Return the resolution.

    Raises:
        ConfigurationError: it is not of the form WIDTHxHEIGHT.
    """
    if not isinstance(value, str) or not _RESOLUTION.fullmatch(value):
        raise _refuse(name, "of the form WIDTHxHEIGHT, such as '1024x1024'", value)
    return value


def check_object(name: str, value: object) -> dict[str, object]:
    """Return a copy of a mapping as plain JSON values.

    Raises:
        ConfigurationError: it is not a mapping, or JSON cannot hold it.
    """
    if not isinstance(value, Mapping):
        raise _refuse(name, "a mapping of parameters", value)
    return cast("dict[str, object]", to_plain_json(cast("object", value), name))


def check_file(name: str, value: object) -> str:
    """Return the URL or `file_key` of an input file.

    A `str` is never opened as a file, because it may come from a stranger.

    Raises:
        ConfigurationError: it is neither a URL nor a `file_key`.
    """
    if isinstance(value, UploadedFile):
        return value.file_key
    if not isinstance(value, str):
        expected = "an http(s) URL, a file_key or an UploadedFile here (the methods of client.tasks also upload files)"
        raise _refuse(name, expected, value)
    if _is_url(value) or _is_file_key(value):
        return value
    hint = "To upload a file of this machine, pass pathlib.Path(...)"
    message = f"{name} must be an http(s) URL or a file_key, not {safe_repr(value)[:200]}. {hint}"
    raise ConfigurationError(message)


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and value.isprintable() and " " not in value
    except ValueError:
        return False


def _is_file_key(value: str) -> bool:
    if "/" not in value or _PATH_LIKE.match(value) or _SCHEME.match(value):
        return False
    return value.isprintable() and value == value.strip()
