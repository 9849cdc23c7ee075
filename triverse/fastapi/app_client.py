"""One client for each application, open from its start to its end."""

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
    """Open a client when the application starts, and close it after the last request.

    The applications that are mounted below this one use the same client.

    Args:
        app: the application.
        client: the client to share, and to close at the end; by default `AsyncTriverse()`.

    Yields:
        The state that a lifespan of your own can pass on.

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
        with _client_on_app_state(app, shared):
            yield {_NAME: shared}


@contextmanager
def _client_on_app_state(app: Starlette, client: AsyncTriverse) -> Generator[None, None, None]:
    """Put the client on the state of the application and of those mounted below it."""
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
    # The state of the connection also reaches sub-applications that are wrapped and so were not found at the start.
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
"""The application's client, shared by all its requests."""
