"""How a call is to be made: timeouts, deadline, retries."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, TypeVar

from attrs import Attribute, field, frozen

from triverse.core.errors import ConfigurationError
from triverse.core.text import safe_repr

__all__ = [
    "DEFAULT_TIMEOUT",
    "MAX_SECONDS",
    "UNSET",
    "Policy",
    "Timeout",
    "Unset",
    "as_timeout",
    "positive_int",
    "positive_seconds",
    "value_or",
]

T = TypeVar("T")

# Thirty years. Some timers take no more, and None is the way to say "no limit".
MAX_SECONDS: Final = 1e9


class Unset(Enum):
    """The type of `UNSET`: "as it was", where None already means "none"."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


def value_or(value: T | Unset, otherwise: T) -> T:
    """The value, or the other one where none was given."""
    return otherwise if isinstance(value, Unset) else value


def _seconds_or_none(_owner: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None:
        positive_seconds(attribute.name, value, "seconds or None")


def positive_seconds(name: str, value: float, allowed: str = "seconds") -> float:
    """The value, if it is a time that timers take.

    Raises:
        ConfigurationError: it is not.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
    if not number or not 0 < value <= MAX_SECONDS:
        message = f"{name} must be a positive number of {allowed}, not {safe_repr(value)}"
        raise ConfigurationError(message)
    return value


def _non_negative_int(_owner: object, attribute: Attribute[int], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        message = f"{attribute.name} must be 0 or a positive whole number, not {safe_repr(value)}"
        raise ConfigurationError(message)


@frozen(kw_only=True)
class Timeout:
    """Seconds that each phase of one attempt may take; None for no limit.

    Attributes:
        connect: to make the connection, TLS included.
        read: to wait for the next bytes of the response.
        write: to send the next bytes of the request.
        pool: to wait for one of the client's connections. None by default, since waiting is no failure;
            the call's `deadline` still bounds it.
    """

    connect: float | None = field(default=5.0, validator=_seconds_or_none)
    read: float | None = field(default=15.0, validator=_seconds_or_none)
    write: float | None = field(default=15.0, validator=_seconds_or_none)
    pool: float | None = field(default=None, validator=_seconds_or_none)


DEFAULT_TIMEOUT: Final = Timeout()
"""The limits of those who gave none. Told by identity from the same limits where they were given."""


def as_timeout(value: float | Timeout) -> Timeout:
    """One number stands for each phase but the wait for a connection."""
    if isinstance(value, Timeout):
        return value
    if value is None:  # pyright: ignore[reportUnnecessaryComparison]  # callers are not all type checked
        message = "timeout must be seconds or a Timeout; Timeout(read=None) lifts one limit"
        raise ConfigurationError(message)
    positive_seconds("timeout", value)
    return Timeout(connect=value, read=value, write=value)


@frozen(kw_only=True)
class Policy:
    """What one call may take, and how often it may try.

    Attributes:
        timeout: for each phase of one attempt.
        deadline: seconds for the whole call; None for no limit.
        max_retries: extra attempts after the first.
        refreshes_key: whether asking for the key again may give another one.
        key_source: where the key came from, in words, for the text of a 401.
    """

    timeout: Timeout = DEFAULT_TIMEOUT
    deadline: float | None = field(default=60.0, validator=_seconds_or_none)
    max_retries: int = field(default=2, validator=_non_negative_int)
    refreshes_key: bool = False
    key_source: str = "the argument api_key"


def positive_int(name: str, value: int) -> int:
    """The value, if it is a whole number of at least one.

    Raises:
        ConfigurationError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        message = f"{name} must be a positive whole number, not {safe_repr(value)}"
        raise ConfigurationError(message)
    return value
