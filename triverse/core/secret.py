"""The API key, in the one type that never shows it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeAlias
from urllib.parse import quote, quote_plus

from triverse.core.errors import ConfigurationError

__all__ = ["AsyncKeySource", "KeySource", "Secret"]

MASK: Final = "[redacted]"
# A key shorter than this is no secret, and cutting it out of every text would only garble the text.
_MIN_REDACTED: Final = 6


class Secret:
    """An API key that can be sent, but not seen.

    Raises:
        ConfigurationError: the key is empty, or could not be sent as it is. The message does not show it.
    """

    __slots__ = ("_forms", "_value")

    def __init__(self, value: object) -> None:
        problem = _problem(value)
        if problem or not isinstance(value, str):
            message = f"the API key {problem}: copy it again from the Triverse console"
            raise ConfigurationError(message)
        self._value = value
        self._forms: tuple[str, ...] | None = None

    def reveal(self) -> str:
        """The key itself. For the line that puts it on the wire, and no other."""
        return self._value

    def redact(self, text: str) -> str:
        """The text without the key, plain or encoded."""
        for form in self._shown_forms():
            text = text.replace(form, MASK)
        return text

    def scrub(self, error: BaseException) -> None:
        """Cut the key out of an error of another library's, and out of those that it came from.

        The frames of HTTP libraries hold the request as bytes, and some tools print the variables of every frame: so
        tracebacks go, too.
        """
        seen: set[int] = set()
        link: BaseException | None = error
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            link.args = tuple(self.redact(a) if isinstance(a, str) else a for a in link.args)
            link = link.__cause__ or link.__context__

    def _shown_forms(self) -> tuple[str, ...]:
        if self._forms is None:
            self._forms = _forms(self._value) if len(self._value) >= _MIN_REDACTED else ()
        return self._forms

    def __repr__(self) -> str:
        return "Secret('…')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        message = "an API key is not for pickling: pass it on by environment variable instead"
        raise TypeError(message)


KeySource: TypeAlias = str | Callable[[], str]
AsyncKeySource: TypeAlias = KeySource | Callable[[], Awaitable[str]]


def _problem(value: object) -> str | None:
    """What keeps this from being sent as a bearer token; None if nothing does."""
    if not isinstance(value, str):
        return f"must be a str, not {type(value).__name__}"
    checks = {
        "is empty": not value,
        "begins or ends with white space": value != value.strip(),
        "has characters outside ASCII": not value.isascii(),
        "has control characters": not value.isprintable(),
    }
    return next((problem for problem, found in checks.items() if found), None)


def _forms(key: str) -> tuple[str, ...]:
    plain = key.encode()
    encoded = base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode()
    forms = {key, quote(key, safe=""), quote_plus(key), *encoded, *(b.rstrip("=") for b in encoded)}
    # The longest first: a short form may stand inside a longer one.
    return tuple(sorted(forms, key=len, reverse=True))
