"""Dependencies on the account and the credits behind a client."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, TypeAlias

from fastapi import Depends, status

from triverse import AsyncTriverse, ConfigurationError, Request, Task, UserBalance, UserInfo
from triverse.core.text import safe_repr
from triverse.fastapi.app_client import TriverseDep, get_triverse
from triverse.fastapi.builders import RequestDependency, is_builder, priced_request
from triverse.fastapi.problems import Problem, ProblemError

__all__ = [
    "CurrentBalance",
    "CurrentUser",
    "credits_required",
    "current_balance",
    "get_current_balance",
    "get_current_user",
]

ClientDependency: TypeAlias = Callable[..., Awaitable[AsyncTriverse]]
BalanceDependency: TypeAlias = Callable[..., Awaitable[UserBalance]]


async def get_current_user(client: TriverseDep) -> UserInfo:
    """Depend on the account that the application's own key belongs to."""
    return await client.users.me()


def current_balance(*, max_age: float | None = None, client: ClientDependency = get_triverse) -> BalanceDependency:
    """Return a dependency on the API credits. It sends one request to Triverse for each request, or fewer.

    Args:
        max_age: accept a balance up to this many seconds old, shared by all requests; None to ask for each request.
        client: the dependency that returns the client; `get_tenant` for the caller's own credits.

    Example:
        ```python
        from typing import Annotated

        from fastapi import Depends
        from triverse import UserBalance
        from triverse.fastapi import current_balance

        RecentBalance = Annotated[UserBalance, Depends(current_balance(max_age=2.0))]
        ```
    """
    return _balance_of(client, max_age)


# The same dependency for the same arguments, since FastAPI runs each dependency once a request.
@cache
def _balance_of(client: ClientDependency, max_age: float | None) -> BalanceDependency:
    async def get_balance(client: AsyncTriverse = Depends(client)) -> UserBalance:  # noqa: B008 - an annotation cannot name what is local here
        return await client.users.balance(max_age=max_age)

    return get_balance


def credits_required(
    cost: float | Request[Task] | RequestDependency,
    *,
    max_age: float | None = None,
    client: ClientDependency = get_triverse,
) -> BalanceDependency:
    """Return a dependency on the API credits that answers 402 if they do not cover the cost of the request.

    Args:
        cost: API credits; or a request that creates a task, or a dependency that returns one, whose price Triverse
            is asked for each time; or a builder of `triverse.api.tasks`, such as `tasks.text_to_model`: then parameters
            such as `texture_size` are read from the query, and the price does not need the prompt and the files.
        max_age: accept a balance up to this many seconds old, shared by all requests; None to ask for each request.
        client: the dependency that returns the client that pays; `get_tenant` for the caller's own.

    Raises:
        ConfigurationError: `cost` is none of these.

    Example:
        ```python
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from triverse import Request, Task
        from triverse.api import tasks
        from triverse.fastapi import TriverseDep, credits_required, lifespan

        app = FastAPI(lifespan=lifespan)


        def model_request(prompt: str) -> Request[Task]:
            return tasks.text_to_model(prompt)


        @app.post("/models", dependencies=[Depends(credits_required(model_request))])
        async def create(request: Annotated[Request[Task], Depends(model_request)], client: TriverseDep) -> Task:
            return await client.execute(request)
        ```
    """
    get_balance = current_balance(max_age=max_age, client=client)
    if callable(cost) or isinstance(cost, Request):
        return _quoted_balance(cost, get_balance, client)
    _check_cost(cost)

    async def get_sufficient_balance(balance: UserBalance = Depends(get_balance)) -> UserBalance:  # noqa: B008 - an annotation cannot name what is local here
        if not balance.covers(cost):
            raise _insufficient_credits(cost)
        return balance

    return get_sufficient_balance


def _quoted_balance(
    source: Request[Task] | RequestDependency, get_balance: BalanceDependency, get_client: ClientDependency
) -> BalanceDependency:
    get_request = _request_dependency(source)

    async def get_sufficient_balance(
        request: Request[Task] = Depends(get_request),  # noqa: B008 - an annotation cannot name what is local here
        balance: UserBalance = Depends(get_balance),  # noqa: B008 - an annotation cannot name what is local here
        client: AsyncTriverse = Depends(get_client),  # noqa: B008 - an annotation cannot name what is local here
    ) -> UserBalance:
        quote = await client.tasks.quote(request)
        if not quote.affordable:
            raise _insufficient_credits(quote.cost_credits)
        return balance

    return get_sufficient_balance


def _request_dependency(source: Request[Task] | RequestDependency) -> RequestDependency:
    if not callable(source):
        return lambda: source
    return priced_request(source) if is_builder(source) else source


def _check_cost(cost: float) -> None:
    number = isinstance(cost, (int, float)) and not isinstance(cost, bool)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
    if not number or not 0 <= cost <= sys.float_info.max:
        message = f"cost must be a number of credits (0 or more), a request or a dependency, not {safe_repr(cost)}"
        raise ConfigurationError(message)


def _insufficient_credits(cost: float) -> ProblemError:
    # Without the number of credits there are: the account need not be the caller's.
    detail = f"This costs {cost:g} API credits, which is more than are available."
    return ProblemError(Problem(status.HTTP_402_PAYMENT_REQUIRED, detail, {"cost": cost}))


get_current_balance: BalanceDependency = current_balance()
"""The dependency behind `CurrentBalance`, to override in tests or to depend on by name."""

CurrentUser = Annotated[UserInfo, Depends(get_current_user)]
"""The account that the application's own key belongs to."""

CurrentBalance = Annotated[UserBalance, Depends(get_current_balance)]
"""The API credits of the application's own account."""
