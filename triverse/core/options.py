"""Options of a call: timeouts, deadline, retries."""

from __future__ import annotations

from typing import Any, Final

from attrs import Attribute, field, frozen

from triverse.core.defaults import DEFAULT_DEADLINE, DEFAULT_MAX_RETRIES
from triverse.core.errors import ConfigurationError
from triverse.core.text import safe_repr

__all__ = [
    "DEFAULT_TIMEOUT",
    "MAX_SECONDS",
    "Policy",
    "Timeout",
    "as_timeout",
    "positive_int",
    "positive_seconds",
    "seconds_from_zero",
]

# Thirty years. Some timers refuse more, and None means "no limit".
MAX_SECONDS: Final = 1e9


def _seconds_or_none(_owner: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None:
        positive_seconds(attribute.name, value, "seconds or None")


def positive_seconds(name: str, value: float, allowed: str = "seconds") -> float:
    """Return the value if it is a positive number of seconds that timers accept.

    Raises:
        ConfigurationError: it is not.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
    if not number or not 0 < value <= MAX_SECONDS:
        limit = ", 1e9 at most" if number and value > MAX_SECONDS else ""
        message = f"{name} must be a positive number of {allowed}{limit}, not {safe_repr(value)}"
        raise ConfigurationError(message)
    return value


def seconds_from_zero(name: str, value: float) -> float:
    """Return the value if it is 0 or a positive number of seconds that timers accept.

    Raises:
        ConfigurationError: it is not.
    """
    return value if value == 0 and type(value) in {int, float} else positive_seconds(name, value, "seconds, or 0")


def _non_negative_int(_owner: object, attribute: Attribute[int], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        message = f"{attribute.name} must be 0 or a positive whole number, not {safe_repr(value)}"
        raise ConfigurationError(message)


@frozen(kw_only=True)
class Timeout:
    """Seconds that each phase of one attempt may take; None for no limit.

    Attributes:
        connect: to open the connection, TLS included.
        read: to wait for the next bytes of the response.
        write: to send the next bytes of the request.
        pool: to wait for one of the client's connections. None by default, because only the call's `deadline` needs
            to bound this wait.
    """

    connect: float | None = field(default=5.0, validator=_seconds_or_none)
    read: float | None = field(default=15.0, validator=_seconds_or_none)
    write: float | None = field(default=15.0, validator=_seconds_or_none)
    pool: float | None = field(default=None, validator=_seconds_or_none)


DEFAULT_TIMEOUT: Final = Timeout()
"""The default. Compared by identity, to distinguish "not given" from "given, with the same values"."""


def as_timeout(value: float | Timeout) -> Timeout:
    """Return the timeouts that a number of seconds means: all phases except the wait for a connection."""
    if isinstance(value, Timeout):
        return value
    if value is None:  # pyright: ignore[reportUnnecessaryComparison]  # callers are not all type checked
        message = "timeout must be seconds or a Timeout; Timeout(read=None) lifts one limit"
        raise ConfigurationError(message)
    positive_seconds("timeout", value)
    return Timeout(connect=value, read=value, write=value)


@frozen(kw_only=True)
class Policy:
    """The limits of one call.

    Attributes:
        timeout: limits of each phase of one attempt.
        deadline: seconds for the whole call; None for no limit.
        max_retries: extra attempts after the first.
        refreshes_key: whether a callable returns the key, so that another call of it may return another key.
        key_source: where the key came from, in words, for the text of a 401.
    """

    timeout: Timeout = DEFAULT_TIMEOUT
    deadline: float | None = field(default=DEFAULT_DEADLINE, validator=_seconds_or_none)
    max_retries: int = field(default=DEFAULT_MAX_RETRIES, validator=_non_negative_int)
    refreshes_key: bool = False
    key_source: str = "the argument api_key"


def positive_int(name: str, value: int) -> int:
    """Return the value if it is a positive whole number.

    Raises:
        ConfigurationError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        message = f"{name} must be a positive whole number, not {safe_repr(value)}"
        raise ConfigurationError(message)
    return value
