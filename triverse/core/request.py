"""What to ask for: a plain value that any transport can carry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from triverse.core.errors import ConfigurationError
from triverse.core.text import safe_repr

__all__ = ["JSON", "Param", "Request"]

T_co = TypeVar("T_co", covariant=True)

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Param: TypeAlias = str | int | float | bool | None

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_METHOD: Final = re.compile(r"[A-Z]+")
# One leading slash keeps the request on the base URL's origin, whatever follows.
_PATH: Final = re.compile(r"/[^\s\x00-\x1f\x7f-\x9f#]*")
# The field by which the service recognises a task that it was already asked for.
_IDEMPOTENCY_KEY: Final = "client_order_id"


def _upper(method: str) -> str:
    return method.upper() if isinstance(method, str) else method  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked


def _copied(params: Mapping[str, Param] | None) -> Mapping[str, Param] | None:
    return dict(params) if isinstance(params, Mapping) else params


def _check_method(_request: object, _attribute: object, value: str) -> None:
    if not isinstance(value, str) or not _METHOD.fullmatch(value):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        message = f"not an HTTP method: {safe_repr(value)}"
        raise ConfigurationError(message)


def _check_path(_request: object, _attribute: object, value: str) -> None:
    if not isinstance(value, str) or not _PATH.fullmatch(value) or not _fits_utf8(value):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        message = f"a path begins with '/' and has no white space or '#': {safe_repr(value)}"
        raise ConfigurationError(message)


def _check_params(_request: object, _attribute: object, value: Mapping[str, Param] | None) -> None:
    if value is None or (isinstance(value, Mapping) and all(map(_is_param, value.items()))):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        return
    message = "params are text, numbers, True, False or None, each under a name, and UTF-8 can hold them"
    raise ConfigurationError(message)


def _is_param(item: tuple[object, object]) -> bool:
    name, value = item
    if not isinstance(name, str) or not isinstance(value, (str, int, float, NoneType)):
        return False
    return _fits_utf8(name) and _fits_utf8(value)


def _fits_utf8(value: object) -> bool:
    try:
        str(value).encode()
    except ValueError:  # a lone surrogate, or a number of many thousand digits
        return False
    return True


@frozen
class Request(Generic[T_co]):
    """One request to the API, and the type of its answer.

    Builders such as `triverse.api.users.balance()` make it; `client.execute()` and `client.send()` run it.

    Attributes:
        method: HTTP method.
        path: below the base URL, such as `/users/me`.
        into: what the answer's `data` becomes.
        params: query parameters.
        json: JSON body; None for no body.
    """

    method: str = field(converter=_upper, validator=_check_method)
    path: str = field(validator=_check_path)
    into: type[T_co]
    params: Mapping[str, Param] | None = field(default=None, converter=_copied, validator=_check_params, hash=False)
    json: JSON = field(default=None, hash=False)

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        if self.method in _IDEMPOTENT:
            return True
        return isinstance(self.json, Mapping) and bool(self.json.get(_IDEMPOTENCY_KEY))
