"""A studio that renders for its customers, who pay with their own Triverse credits.

The studio has its own Triverse key, in `TRIVERSE_API_KEY`. Each customer sends theirs as `Authorization: Bearer`.
All of them share one client and its connections. Start it with:

    uvicorn studio:app --app-dir docs/examples
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from triverse import AsyncTriverse, UserBalance, UserInfo
from triverse.fastapi import (
    CurrentUser,
    TenantDep,
    credits_required,
    current_balance,
    get_tenant,
    install_error_handlers,
    lifespan,
)

RENDER_COST = 30.0


class Order(BaseModel):
    """An accepted order: the customer, and the credits before it."""

    title: str
    customer: UserInfo
    credits_before: UserBalance


class Status(BaseModel):
    """The Triverse account of the studio itself."""

    account: UserInfo
    credits: UserBalance


@asynccontextmanager
async def studio_lifespan(app: FastAPI) -> AsyncGenerator[dict[str, object], None]:
    """Open the client of the studio at startup, and close it after the last request."""
    client = AsyncTriverse(deadline=30.0, max_connections=50)
    async with lifespan(app, client) as state:
        yield {**state}


customers = APIRouter(prefix="/customers", tags=["Customers"])


@customers.get("/me")
async def read_account(tenant: TenantDep) -> UserInfo:
    """Show the customer's account."""
    return await tenant.users.me()


@customers.get("/me/credits")
async def read_credits(
    balance: Annotated[
        UserBalance, Depends(current_balance(max_age=1.0, client=get_tenant))
    ],
) -> UserBalance:
    """Show the customer's credits, at most a second old."""
    return balance


@customers.post("/me/orders", status_code=201)
async def order(
    title: str,
    tenant: TenantDep,
    balance: Annotated[
        UserBalance, Depends(credits_required(RENDER_COST, client=get_tenant))
    ],
) -> Order:
    """Accept an order if the customer can pay for it."""
    return Order(
        title=title, customer=await tenant.users.me(), credits_before=balance
    )


# A mounted application, for example to put it behind another login.
office = FastAPI(title="Office")
install_error_handlers(office)


@office.get("/status")
async def read_status(
    account: CurrentUser,
    # At most one request to the service every two seconds, for all screens that show this page.
    balance: Annotated[UserBalance, Depends(current_balance(max_age=2.0))],
) -> Status:
    """Show the studio its own account."""
    return Status(account=account, credits=balance)


app = FastAPI(title="Studio", lifespan=studio_lifespan)
install_error_handlers(app)
app.include_router(customers)
app.mount("/office", office)


@app.get("/health")
async def read_health() -> bool:
    """Report that the studio is up, even while Triverse is not."""
    return True
