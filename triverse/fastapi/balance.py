"""Who the application is to Triverse, and what it may spend."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, TypeAlias

from fastapi import Depends, status

from triverse import AsyncTriverse, ConfigurationError, UserBalance, UserInfo
from triverse.fastapi.lifespan import TriverseDep, get_triverse
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
    """Make a dependency on the API credits. It asks once a request, or less often.

    Args:
        max_age: seconds for which one answer may serve all requests; None to ask for each request.
        client: whose credits; `get_tenant` for those of the caller.

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
    cost: float, *, max_age: float | None = None, client: ClientDependency = get_triverse
) -> BalanceDependency:
    """Make a dependency that lets a request pass only if the credits cover what it costs, and hands over the balance.

    Otherwise the answer is 402.

    Args:
        cost: API credits.
        max_age: as for `current_balance`.
        client: who pays; `get_tenant` for the caller.

    Raises:
        ConfigurationError: `cost` is not a number of credits.

    Example:
        ```python
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from triverse import UserBalance
        from triverse.fastapi import credits_required, lifespan

        app = FastAPI(lifespan=lifespan)


        @app.post("/models")
        async def create(balance: Annotated[UserBalance, Depends(credits_required(30))]) -> float:
            return balance.balance - 30
        ```
    """
    if not (math.isfinite(cost) and cost >= 0):
        message = f"cost must be 0 or a positive number of credits, not {cost!r}"
        raise ConfigurationError(message)
    get_balance = current_balance(max_age=max_age, client=client)

    async def get_sufficient_balance(balance: UserBalance = Depends(get_balance)) -> UserBalance:  # noqa: B008 - as above
        if not balance.covers(cost):
            raise _too_little(cost)
        return balance

    return get_sufficient_balance


def _too_little(cost: float) -> ProblemError:
    # Not how many there are: the account need not be the caller's.
    detail = f"This costs {cost:g} API credits, which is more than are available."
    return ProblemError(Problem(status.HTTP_402_PAYMENT_REQUIRED, detail, {"cost": cost}))


get_current_balance: BalanceDependency = current_balance()
"""The dependency behind `CurrentBalance`, to override in tests or to depend on by name."""

CurrentUser = Annotated[UserInfo, Depends(get_current_user)]
"""The account that the application's own key belongs to. Asked for once a request."""

CurrentBalance = Annotated[UserBalance, Depends(get_current_balance)]
"""The API credits of the application's own account. Asked for once a request."""
