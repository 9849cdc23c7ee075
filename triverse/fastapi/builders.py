"""A request builder as a dependency: what changes the price is read from the query of the caller's request."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias, cast, get_type_hints

from fastapi import Query

from triverse import ConfigurationError, Request, Task, UploadedFile
from triverse.api.tasks import builders
from triverse.fastapi.problems import Problem, ProblemError

__all__ = ["RequestDependency", "is_builder", "priced_request"]

RequestDependency: TypeAlias = Callable[..., Request[Task] | Awaitable[Request[Task]]]

# Arguments that do not change the price. A route takes them in its own way: in its body, as a form or as a file.
_UNPRICED: Final = frozenset(
    {"prompt", "negative_prompt", "image", "model", "client_order_id", "allow_duplicate", "extra"}
)
# Values of the required ones for a quote, which does not send them.
_FILE: Final = UploadedFile("not/uploaded-yet")
_PLACEHOLDERS: Final[Mapping[str, object]] = {"prompt": "not known yet", "image": _FILE, "model": _FILE}


def is_builder(source: Callable[..., object]) -> bool:
    """Return whether this is a function of `triverse.api.tasks`, also with some arguments fixed by `partial`."""
    return getattr(_parts(source)[0], "__module__", None) == builders.__name__


def _parts(source: Callable[..., object]) -> tuple[Callable[..., object], Mapping[str, object]]:
    """The function, and the arguments that are fixed by name."""
    if isinstance(source, partial):
        bound = cast("partial[object]", source)
        return bound.func, bound.keywords
    return source, {}


def priced_request(builder: RequestDependency) -> RequestDependency:
    """Return a dependency that calls the builder with the parameters of the query that change the price.

    FastAPI cannot use the builder itself: `extra` is of a recursive type, and ids and files are not for a query.

    Raises:
        ConfigurationError: the builder has other required arguments, so that there is no price without them.
    """
    function, fixed = _parts(builder)
    arguments = [value for name, value in inspect.signature(builder).parameters.items() if name not in fixed]
    required = [argument.name for argument in arguments if argument.default is argument.empty]
    _check_required(function, required)
    placeholders = {name: _PLACEHOLDERS[name] for name in required}

    async def get_request(**chosen: object) -> Request[Task]:
        try:
            return cast("Request[Task]", builder(**placeholders, **chosen))
        except ConfigurationError as error:
            raise ProblemError(Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}.")) from error

    hints = get_type_hints(function)
    get_request.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # FastAPI reads the parameters there
        [
            argument.replace(kind=argument.KEYWORD_ONLY, annotation=Annotated[hints[argument.name], Query()])
            for argument in arguments
            if argument.name not in _UNPRICED
        ]
    )
    return get_request


def _check_required(function: Callable[..., object], required: list[str]) -> None:
    for name in required:
        if name not in _PLACEHOLDERS:
            builder = getattr(function, "__name__", "the builder")
            message = f"cost: {builder}() has no price without {name}: pass a request, or a function that returns one"
            raise ConfigurationError(message)
