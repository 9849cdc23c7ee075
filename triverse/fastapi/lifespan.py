"""One client an application, from its start to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Final

from fastapi import Depends
from fastapi.requests import HTTPConnection
from starlette.applications import Starlette
from starlette.routing import Host, Mount
from starlette.types import ASGIApp

from triverse import AsyncTriverse, ConfigurationError

__all__ = ["TriverseDep", "get_triverse", "lifespan"]

_NAME: Final = "triverse"


@asynccontextmanager
async def lifespan(
    app: Starlette, client: AsyncTriverse | None = None
) -> AsyncGenerator[dict[str, AsyncTriverse], None]:
    """Open a client with the application, and close it when the last request is answered.

    The applications that are mounted below this one use the same client.

    Args:
        app: the application that starts.
        client: the client to share, and to close at the end; by default `AsyncTriverse()`.

    Yields:
        The state to pass on from a lifespan of your own.

    Raises:
        ConfigurationError: there is no key in `TRIVERSE_API_KEY`, and no client was given.

    Example:
        ```python
        from fastapi import FastAPI
        from triverse.fastapi import lifespan

        app = FastAPI(lifespan=lifespan)
        ```

        Or with a client and a lifespan of your own:

        ```python
        from contextlib import asynccontextmanager

        from fastapi import FastAPI
        from triverse import AsyncTriverse
        from triverse.fastapi import lifespan


        @asynccontextmanager
        async def my_lifespan(app: FastAPI):
            async with lifespan(app, AsyncTriverse(deadline=10.0)) as state:
                yield {**state, "mine": 1}


        app = FastAPI(lifespan=my_lifespan)
        ```
    """
    async with client or AsyncTriverse() as shared:
        with _attached(app, shared):
            yield {_NAME: shared}


@contextmanager
def _attached(app: Starlette, client: AsyncTriverse) -> Generator[None, None, None]:
    """Let the application, and those mounted below it, know the client."""
    apps = list(_with_mounted(app))
    for each in apps:
        setattr(each.state, _NAME, client)
    try:
        yield
    finally:
        for each in apps:
            if getattr(each.state, _NAME, None) is client:
                delattr(each.state, _NAME)


def _with_mounted(app: ASGIApp) -> Iterator[Starlette]:
    if isinstance(app, Starlette):
        yield app
        for route in app.routes:
            if isinstance(route, (Mount, Host)):
                yield from _with_mounted(route.app)


async def get_triverse(connection: HTTPConnection) -> AsyncTriverse:
    """Depend on the application's client.

    Raises:
        ConfigurationError: the application was started without `lifespan`.
    """
    # The server's state also reaches what the start of the application could not see, such as wrapped sub-applications.
    for state in (connection.app.state, connection.state):
        client: object = getattr(state, _NAME, None)
        if isinstance(client, AsyncTriverse):
            return client
    message = (
        "this application has no Triverse client: start it with FastAPI(lifespan=triverse.fastapi.lifespan), "
        "or enter that in your own lifespan"
    )
    raise ConfigurationError(message)


TriverseDep = Annotated[AsyncTriverse, Depends(get_triverse)]
"""The application's client, which all its requests share."""
