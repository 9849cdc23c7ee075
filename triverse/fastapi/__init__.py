"""Triverse in FastAPI applications: the client as a dependency, the results as response models.

```python
from fastapi import FastAPI
from triverse import UserBalance
from triverse.fastapi import CurrentBalance, install_error_handlers, lifespan

app = FastAPI(lifespan=lifespan)
install_error_handlers(app)


@app.get("/credits")
async def read_credits(balance: CurrentBalance) -> UserBalance:
    return balance
```
"""

from __future__ import annotations

from triverse._extras import require_extra

with require_extra("fastapi"):
    from triverse.fastapi.app_client import TriverseDep, get_triverse, lifespan
    from triverse.fastapi.balance import (
        CurrentBalance,
        CurrentUser,
        credits_required,
        current_balance,
        get_current_balance,
        get_current_user,
    )
    from triverse.fastapi.error_handlers import install_error_handlers
    from triverse.fastapi.problems import ProblemError
    from triverse.fastapi.tasks import DownloadResponse, TaskEventsResponse
    from triverse.fastapi.tenants import TenantDep, TenantKeyError, TenantPermissionError, get_tenant

__all__ = [
    "CurrentBalance",
    "CurrentUser",
    "DownloadResponse",
    "ProblemError",
    "TaskEventsResponse",
    "TenantDep",
    "TenantKeyError",
    "TenantPermissionError",
    "TriverseDep",
    "credits_required",
    "current_balance",
    "get_current_balance",
    "get_current_user",
    "get_tenant",
    "get_triverse",
    "install_error_handlers",
    "lifespan",
]
