"""The API key, in a type that never shows it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeAlias

from triverse.core._encodings import key_encodings
from triverse.core.errors import ConfigurationError
from triverse.core.scrub import scrub

__all__ = ["AsyncKeySource", "KeySource", "Secret"]

MASK: Final = "[redacted]"
# A shorter key is not secret, and removing it from texts would make them unreadable.
_MIN_REDACTED: Final = 6


class Secret:
    """An API key that can be sent, but not shown.

    The constructor accepts any value, and `validated()` raises: by then the caller can have deleted its variable with
    the plain key, so that a traceback that shows the variables of each frame does not show it.
    """

    __slots__ = ("_encodings", "_problem", "_value")

    def __init__(self, value: object) -> None:
        self._problem = _problem(value)
        self._value = value if isinstance(value, str) and self._problem is None else ""
        self._encodings: tuple[str, ...] | None = None

    def validated(self, name: str = "the API key") -> Secret:
        """Return this key if it can be sent as a bearer token. `name` is how an error refers to it.

        Raises:
            ConfigurationError: it cannot. The message contains the reason, and not the key.
        """
        if self._problem is not None:
            message = f"{name} {self._problem}: copy the key alone from the Triverse API dashboard"
            raise ConfigurationError(message)
        return self

    def reveal(self) -> str:
        """Return the plain key. Only for the code that puts it into the request.

        Raises:
            ConfigurationError: see `validated()`.
        """
        self.validated()
        return self._value

    def redact(self, text: str) -> str:
        """Return the text without the key, plain or encoded."""
        for form in self._key_encodings():
            text = text.replace(form, MASK)
        return text

    def scrub(self, error: BaseException) -> BaseException:
        """Return an exception of another library without the key and without tracebacks.

        It is the same object where the key can be removed in place, otherwise a replacement.
        """
        return scrub(error, self.redact)

    def _key_encodings(self) -> tuple[str, ...]:
        if self._encodings is None:
            self._encodings = key_encodings(self._value) if len(self._value) >= _MIN_REDACTED else ()
        return self._encodings

    def __repr__(self) -> str:
        return "Secret('…')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        message = "an API key cannot be pickled: pass it in an environment variable instead"
        raise TypeError(message)


KeySource: TypeAlias = str | Callable[[], str]
AsyncKeySource: TypeAlias = KeySource | Callable[[], Awaitable[str]]


# Most keys look like this. For others, the patterns below are compiled, which takes 2 ms (2026-11).
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.~-]+")

# The first that matches is reported, so the more telling ones come first.
_PROBLEMS: Final = (
    (r"\A\Z", "is empty"),
    (r"\A\s|\s\Z", "begins or ends with white space"),
    (r"(?i)\ABearer\s", "begins with `Bearer `, which is added by the client"),
    (r"[\"'`\u2018\u2019\u201c\u201d]", "contains a quote"),
    (r"[<>]", "contains < or >, like a placeholder that was not replaced"),
    (r"\A\$?\{.*\}\Z", "is a variable that was not replaced"),
    (r" ", "contains a space"),
    (r"[^\x00-\x7f]", "contains characters outside ASCII"),
    (r"[\x00-\x1f\x7f]", "contains control characters"),
)


def _problem(value: object) -> str | None:
    """Return why the value cannot be sent as a bearer token; None if it can."""
    if not isinstance(value, str):
        return f"must be a str, not {type(value).__name__}"
    if _PLAIN_KEY.fullmatch(value):
        return None
    return next((problem for pattern, problem in _PROBLEMS if re.search(pattern, value)), None)
