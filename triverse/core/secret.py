"""The API key, in the one type that never shows it."""

from __future__ import annotations

import string
from binascii import b2a_base64
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, NoReturn, TypeAlias, cast

from triverse.core.errors import ConfigurationError
from triverse.core.text import exception_chain

__all__ = ["AsyncKeySource", "KeySource", "Secret"]

MASK: Final = "[redacted]"
# A key shorter than this is no secret, and cutting it out of every text would only garble the text.
_MIN_REDACTED: Final = 6
# What the text of an error is made of, beside its variables.
_EXCEPTION_FIELDS: Final = ("args", "strerror", "filename", "filename2")


class Secret:
    """An API key that can be sent, but not seen.

    Made of anything, so that whoever holds the plain value can let go of it before `validated()` raises: tools that print
    tracebacks may print the variables of each frame, too.
    """

    __slots__ = ("_encodings", "_problem", "_value")

    def __init__(self, value: object) -> None:
        self._problem = _problem(value)
        self._value = value if isinstance(value, str) and self._problem is None else ""
        self._encodings: tuple[str, ...] | None = None

    def validated(self) -> Secret:
        """This key, if it can be sent.

        Raises:
            ConfigurationError: it is empty, or could not be sent as it is. The message does not show it.
        """
        if self._problem is not None:
            message = f"the API key {self._problem}: copy it again from the Triverse console"
            raise ConfigurationError(message)
        return self

    def reveal(self) -> str:
        """The key itself. For the line that puts it on the wire, and no other.

        Raises:
            ConfigurationError: as `validated()`.
        """
        self.validated()
        return self._value

    def redact(self, text: str) -> str:
        """The text without the key, plain or encoded."""
        for form in self._key_encodings():
            text = text.replace(form, MASK)
        return text

    def scrub(self, error: BaseException) -> None:
        """Cut the key out of an error of another library's, and out of those that it came from.

        The frames of HTTP libraries hold the request as bytes, and some tools print the variables of every frame: so
        tracebacks go, too.
        """
        for link in exception_chain(error):
            link.with_traceback(None)
            for name, value in _attributes(link):
                without = self._redact_value(value)
                if without is not value:
                    # Past the class, which may forbid it: attrs can freeze exceptions.
                    BaseException.__setattr__(link, name, without)

    def _redact_value(self, value: object) -> object:
        """The value itself, or where it shows the key, what can be said of it without."""
        if isinstance(value, (list, tuple)):  # notes, arguments
            members = cast("Sequence[object]", value)
            without = [self._redact_value(member) for member in members]
            same = all(one is other for one, other in zip(members, without, strict=True))
            return members if same else without
        said = value if isinstance(value, str) else _repr(value)
        redacted = self.redact(said)
        return value if redacted == said else redacted

    def _key_encodings(self) -> tuple[str, ...]:
        if self._encodings is None:
            self._encodings = _encodings(self._value) if len(self._value) >= _MIN_REDACTED else ()
        return self._encodings

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


def _attributes(error: BaseException) -> list[tuple[str, object]]:
    slots = [name for cls in type(error).__mro__ for name in getattr(cls, "__slots__", ())]
    return [(name, getattr(error, name, None)) for name in (*vars(error), *slots, *_EXCEPTION_FIELDS)]


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a foreign class may break even here, and then shows nothing
        return ""


def _encodings(key: str) -> tuple[str, ...]:
    """The key, and what others make of it: escaped for URLs, JSON, Python or HTML, and inside of base64."""
    forms = {key} if _UNRESERVED.issuperset(key) else _escaped(key)
    for form in _base64_encodings(key.encode()):
        forms |= {form, form.replace("+", "-").replace("/", "_")}
    # The longest first: a short form may stand inside a longer one.
    return tuple(sorted(forms, key=len, reverse=True))


# Most keys are made of these, and a program may have many keys: 5 µs for each in place of 20.
_UNRESERVED: Final = frozenset(string.ascii_letters + string.digits + "_.~-")


def _escaped(key: str) -> set[str]:
    # Large, for the few keys with a character that is ever escaped.
    import html  # noqa: PLC0415 - as above
    import json  # noqa: PLC0415 - as above
    import re  # noqa: PLC0415 - as above
    from urllib.parse import quote, quote_plus  # noqa: PLC0415 - as above

    quoted = {quote(key), quote(key, safe=""), quote_plus(key)}
    forms = {key, repr(key)[1:-1], html.escape(key), json.dumps(key)[1:-1], json.dumps(key)[1:-1].replace("/", r"\/")}
    return forms | quoted | {re.sub("%..", lambda escape: escape[0].lower(), form) for form in quoted}


def _base64_encodings(key: bytes) -> Iterator[str]:
    """The key in base64: by itself, and as it looks inside of something longer, where it can begin at three places."""
    whole = _base64(key)
    yield from (whole, whole.rstrip("="))
    for before, shared in enumerate((0, 2, 3)):
        yield _base64(bytes(before) + key)[shared : (before + len(key)) * 8 // 6]


def _base64(text: bytes) -> str:
    return b2a_base64(text, newline=False).decode()
