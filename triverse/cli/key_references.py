"""Keys in files: a table of names, each with a key or a reference to one.

A reference stands in place of a key: `env:NAME` for the value of an environment variable, `keyring:` for what the
system's keyring holds for this name, `keyring:OTHER` for another name. Anything else is the key itself.
"""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from triverse.core.errors import ConfigurationError

__all__ = ["config_file", "profile_key", "resolve", "text_table"]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def profile_key(profile: str) -> str:
    """The key of a profile of the config file.

    Raises:
        ConfigurationError: there is none. The message says what to do.
    """
    path = config_file()
    profiles = text_table(_read_private(path), "profiles", path)
    if profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        message = f"{path} has no profile {profile!r} under [profiles] (there: {known})"
        raise ConfigurationError(message)
    return resolve(profiles[profile], profile)


def config_file() -> Path:
    """Where profiles are kept: `~/.config/triverse/config.toml` on Linux, and what is usual elsewhere."""
    from platformdirs import user_config_path  # noqa: PLC0415 - a file of accounts needs it not

    return user_config_path("triverse", appauthor=False) / "config.toml"


def _read_private(path: Path) -> str:
    """The text of a file that holds keys.

    Raises:
        ConfigurationError: it cannot be read, or others can read it, too.
    """
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & _OTHERS:
                message = f"other users can get at the keys in {path}: chmod 600 {shlex.quote(str(path))}"
                raise ConfigurationError(message)
            return file.read()
    except (OSError, UnicodeError) as error:
        message = f"cannot read profiles from {path} ({_reason(error)})"
        raise ConfigurationError(message) from error


def _reason(error: OSError | UnicodeError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is not UTF-8"


def text_table(text: str, table: str, path: Path) -> Mapping[str, str]:
    """A TOML table of names and texts.

    Raises:
        ConfigurationError: it is not there, or not that. The message does not quote the file.
    """
    try:
        found: object = tomllib.loads(text).get(table)
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is not TOML ({error})"
        raise ConfigurationError(message) from None
    if not isinstance(found, dict):
        message = f'{path} has no table [{table}] with lines such as: name = "env:VARIABLE"'
        raise ConfigurationError(message)
    entries = cast("dict[str, object]", found)
    texts = {name: value for name, value in entries.items() if isinstance(value, str)}
    for name in entries.keys() - texts.keys():
        message = f'{path}: {name} under [{table}] must be a text in quotes, such as "env:VARIABLE"'
        raise ConfigurationError(message)
    return texts


def resolve(reference: str, name: str) -> str:
    """The key that a reference stands for.

    Raises:
        ConfigurationError: what it names is not there.
    """
    kind, colon, rest = reference.partition(":")
    if colon and kind == "env":
        return _from_environment(rest, name)
    if colon and kind == "keyring":
        return _from_keyring(rest or name)
    return reference


def _from_environment(variable: str, name: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        message = f"the environment variable {variable}, which holds the key of {name!r}, is not set"
        raise ConfigurationError(message)
    return value


def _from_keyring(name: str) -> str:
    keyring = import_module("keyring")
    try:
        value: object = keyring.get_password("triverse", name)
    except Exception as error:
        message = f"the keyring did not give the key of {name!r} ({type(error).__name__}: {error})"
        raise ConfigurationError(message) from error
    if isinstance(value, str):
        return value
    message = f"the keyring has no key of {name!r}: keyring set triverse {shlex.quote(name)}"
    raise ConfigurationError(message)
