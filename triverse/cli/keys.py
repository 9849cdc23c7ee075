"""Where the key of a command comes from: the environment, a profile of the config file, or the system's keyring.

In files, a reference may stand in place of a key: `env:NAME` is the value of an environment variable, `keyring:` is the
entry of the same name in the system's keyring, and `keyring:OTHER` is another entry. Any other text is the key itself.
No message contains the text after `env:`, because people paste keys there.
"""

from __future__ import annotations

import os
import shlex
from importlib import import_module
from pathlib import Path
from typing import Final

from attrs import field, frozen

from triverse.cli.files import display_name, text_table, toml
from triverse.core.errors import ConfigurationError

__all__ = ["FoundKey", "config_file", "find_key", "resolve"]

_VARIABLE: Final = "TRIVERSE_API_KEY"


@frozen
class FoundKey:
    """A key, and where it was found.

    Attributes:
        value: the key. Never for printing.
        source: where it came from, in words.
    """

    value: str = field(repr=False)
    source: str


def find_key(profile: str | None) -> FoundKey:
    """The key of the profile if one is given, else that of `TRIVERSE_API_KEY`.

    Raises:
        ConfigurationError: there is none. The message contains the remedy.
    """
    if profile is not None:
        return FoundKey(_profile_key(profile), f"profile {display_name(profile)!r} of {config_file()}")
    value = os.environ.get(_VARIABLE)
    if value is None:
        raise ConfigurationError(
            f"no API key: set {_VARIABLE} (keys are made in the Triverse API dashboard), choose a profile with"
            " --profile, or try --sandbox"
        )
    return FoundKey(value, _VARIABLE)


def _profile_key(profile: str) -> str:
    path = config_file()
    profiles = text_table(toml(path, private=True), "profiles", path)
    if profile not in profiles:
        known = ", ".join(map(display_name, sorted(profiles))) or "none"
        raise ConfigurationError(f"{path} has no profile {display_name(profile)!r} under [profiles] (there: {known})")
    return resolve(profiles[profile], profile)


def config_file() -> Path:
    """The config file: `~/.config/triverse/config.toml` on Linux."""
    from platformdirs import user_config_path  # noqa: PLC0415 - only profiles need it

    return user_config_path("triverse", appauthor=False) / "config.toml"


def resolve(reference: str, name: str) -> str:
    """The key that a reference stands for.

    Raises:
        ConfigurationError: it is not there.
    """
    kind, colon, rest = reference.partition(":")
    if colon and kind == "env":
        return _from_environment(rest.strip(), name)
    if colon and kind == "keyring":
        return _from_keyring(rest or name)
    return reference


def _from_environment(variable: str, name: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise ConfigurationError(f"the environment variable that {display_name(name)!r} names with env: is not set")
    return value


def _from_keyring(name: str) -> str:
    shown = display_name(name)
    keyring = import_module("keyring")
    try:
        value: object = keyring.get_password("triverse", name)
    except Exception as error:
        raise ConfigurationError(
            f"the keyring did not return the key of {shown!r} ({type(error).__name__}: {error})"
        ) from error
    if isinstance(value, str):
        return value
    raise ConfigurationError(f"the keyring has no key of {shown!r}: keyring set triverse {shlex.quote(shown)}")
