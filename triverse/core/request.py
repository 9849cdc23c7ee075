"""Requests as plain values, which any transport can send."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import Enum
from types import NoneType
from typing import TYPE_CHECKING, Final, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

from attrs import evolve, field, frozen

from triverse.core._read_only import read_only
from triverse.core.defaults import UNSET, Unset
from triverse.core.errors import ConfigurationError
from triverse.core.text import fits_utf8, safe_repr

__all__ = ["CLIENT_ORDER_ID", "JSON", "Creation", "FileUpload", "Param", "Request", "StreamedBody"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

if TYPE_CHECKING:
    JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
else:
    # Without the recursion: typing.get_type_hints() looks names up in the module of the function that is annotated with
    # this type.
    JSON = bool | int | float | str | Sequence[object] | Mapping[str, object] | None
Param: TypeAlias = str | int | float | bool | None

CLIENT_ORDER_ID: Final = "client_order_id"
"""The field by which the service recognises a task that it was already asked to create."""

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_METHOD: Final = re.compile(r"[A-Z]+")
# One leading slash keeps the request on the base URL's origin, whatever follows.
_PATH: Final = re.compile(r"/[^\s\x00-\x1f\x7f-\x9f#\\]*")
# Servers resolve these, and some decode the dots first: such a path would leave the base URL.
_DOT_SEGMENTS: Final = frozenset({".", ".."})
_ENCODED_DOT: Final = re.compile(r"%2e", re.IGNORECASE)


class StreamedBody(Protocol):
    """A request body that is read while it is sent, once for each attempt."""

    @property
    def content_type(self) -> str:
        """Value of the `Content-Type` header."""
        ...

    @property
    def content_length(self) -> int:
        """Number of bytes that `chunks()` yields."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Yield the body in chunks of at most 64 KiB; the same bytes each time. Reading may block."""
        ...

    def progress(self, sent: int) -> Awaitable[None] | None:
        """Note that this many bytes were sent. An awaitable that it returns is to be awaited before sending more."""
        ...


def _comparable(source: object) -> object:
    """What sources are compared by. An open file, or a buffer that may change, is equal only to itself."""
    comparable = isinstance(source, (str, bytes)) or hasattr(source, "__fspath__")
    return source if comparable else id(source)


@frozen
class FileUpload:
    """A file to upload, not yet opened. The client opens, checks and sends it.

    Attributes:
        kind: what the service takes it for.
        source: a path, a buffer or a binary file.
        filename: the name to send; None for the name of the source.
        argument: the name of the argument that the source came from, for the text of errors.
    """

    kind: Literal["image", "model"]
    source: object = field(repr=False, eq=_comparable, hash=False)
    filename: str | None = None
    argument: str = "source"


@frozen
class Creation:
    """That a request creates a paid task, and how it is kept from creating two.

    Attributes:
        client_order_id: the caller's own id; None generates one for each call.
        sends_id: False if the caller wants no id to be sent.
        repeatable: whether the service documents that it recognises the id, so that the request may be sent again after
            the service may have received it. Otherwise it is sent again only when no task can exist.
        attach: puts the id that was sent into the result.
    """

    client_order_id: str | None = None
    sends_id: bool = True
    repeatable: bool = False
    attach: Callable[[object, str | None], object] | None = None


def _upper(method: str) -> str:
    return method.upper() if isinstance(method, str) else method  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked


def _plain_params(params: Mapping[str, Param] | None) -> Mapping[str, Param] | None:
    if not isinstance(params, Mapping):
        return params
    # The text of an enumeration's member is its name on some Pythons; what the service knows is its value.
    plain = {name: cast("Param", v.value) if isinstance(v, Enum) else v for name, v in params.items()}
    return cast("Mapping[str, Param]", read_only(plain))


def _frozen_json(value: JSON) -> JSON:
    """A copy that the caller cannot change while the request is sent again or kept for later."""
    try:
        return cast("JSON", read_only(value))
    except RecursionError:  # it contains itself, or is nested too deep: the encoder refuses it by its path
        return value


def _check_method(_request: object, _attribute: object, value: str) -> None:
    if not isinstance(value, str) or not _METHOD.fullmatch(value):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        message = f"method must be an HTTP method such as GET, not {safe_repr(value)}"
        raise ConfigurationError(message)


def _check_path(_request: object, _attribute: object, value: str) -> None:
    if not isinstance(value, str) or not _PATH.fullmatch(value) or not fits_utf8(value):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        message = f"path must begin with '/' and contain no white space, '#' or backslash: {safe_repr(value)}"
        raise ConfigurationError(message)
    segments = _ENCODED_DOT.sub(".", value.partition("?")[0]).split("/")
    if not _DOT_SEGMENTS.isdisjoint(segments):
        message = f"path must not contain '.' or '..' segments, which would leave the base URL: {safe_repr(value)}"
        raise ConfigurationError(message)


def _check_params(_request: object, _attribute: object, value: Mapping[str, Param] | None) -> None:
    if value is None or (isinstance(value, Mapping) and all(map(_is_param, value.items()))):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        return
    message = "params must map str to str, int, finite float, bool or None, all of which UTF-8 can encode"
    raise ConfigurationError(message)


def _is_param(item: tuple[object, object]) -> bool:
    name, value = item
    if not isinstance(name, str) or not isinstance(value, (str, int, float, NoneType)):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return fits_utf8(name) and fits_utf8(value)


@frozen
class Request(Generic[T_co]):
    """One request to the API, and the type of its result.

    Builders such as `triverse.api.users.balance()` return it; `client.execute()` and `client.send()` run it.

    Attributes:
        method: HTTP method.
        path: below the base URL, such as `/users/me`.
        into: the type of the result, into which the response's `data` is structured.
        params: query parameters.
        json: JSON body; None for no body.
        body: a body that is read while it is sent, in place of `json`.
        file: a file to upload. The client opens it, checks it and sends it as the `body`.
        decode: converts `data` into the result, in place of the strict structuring by `into`. Takes the value and the
            name to use for it in errors.
        headers: extra request headers.
        safe: True if sending it twice does no harm, although its method alone does not promise that.
        creation: set if the request creates a paid task.
        deadline: seconds for the whole call, in place of the client's `deadline`; None for no limit.
        url: an absolute URL, in place of the base URL and `path`. The request is sent without the key.
    """

    method: str = field(converter=_upper, validator=_check_method)
    path: str = field(validator=_check_path)
    into: type[T_co]
    params: Mapping[str, Param] | None = field(
        default=None, converter=_plain_params, validator=_check_params, hash=False
    )
    json: JSON = field(default=None, converter=_frozen_json, hash=False)
    body: StreamedBody | None = field(default=None, kw_only=True, hash=False, repr=False)
    file: FileUpload | None = field(default=None, kw_only=True, hash=False)
    decode: Callable[[object, str], T_co] | None = field(default=None, kw_only=True, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    safe: bool = field(default=False, kw_only=True)
    creation: Creation | None = field(default=None, kw_only=True)
    deadline: float | Unset | None = field(default=UNSET, kw_only=True)
    url: str | None = field(default=None, kw_only=True, repr=False)

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        if self.method in _IDEMPOTENT or self.safe:
            return True
        if self.creation is not None:
            return self.creation.repeatable
        return bool(self.client_order_id)

    @property
    def client_order_id(self) -> str | None:
        """The id in the JSON body by which the service recognises a repeated creation; None if there is none."""
        value = self.json.get(CLIENT_ORDER_ID) if isinstance(self.json, Mapping) else None
        return value if isinstance(value, str) else None

    def with_client_order_id(self, new_id: Callable[[], str]) -> Request[T_co]:
        """Return this request with the id of one call in its JSON body, if it creates a task and sends an id."""
        if self.creation is None or not self.creation.sends_id or not isinstance(self.json, Mapping):
            return self
        order_id = self.creation.client_order_id or new_id()
        return evolve(self, json={**self.json, CLIENT_ORDER_ID: order_id})
