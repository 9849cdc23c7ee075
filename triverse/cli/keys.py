"""Where the key of a command comes from."""

from __future__ import annotations

import os
from typing import Final

from attrs import field, frozen

from triverse.core.errors import ConfigurationError

__all__ = ["FoundKey", "find_key"]

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
    """The key that the user means: `TRIVERSE_API_KEY`, else that of the profile.

    Raises:
        ConfigurationError: there is none. The message says what to do.
    """
    value = os.environ.get(_VARIABLE)
    if value is not None:
        return FoundKey(value, f"{_VARIABLE}, which wins over profile {profile!r}" if profile else _VARIABLE)
    if profile is None:
        message = f"no API key: set {_VARIABLE}, name a profile by --profile, or try --sandbox"
        raise ConfigurationError(message)
    from triverse.cli.key_references import config_file, profile_key  # noqa: PLC0415 - most commands read no file

    return FoundKey(profile_key(profile), f"profile {profile!r} of {config_file()}")
