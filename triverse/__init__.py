"""The Python SDK for the Triverse API: async first, with a sync face.

```python
from triverse import Triverse

with Triverse() as client:  # key from TRIVERSE_API_KEY
    print(client.users.balance())
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triverse._version import __version__

if TYPE_CHECKING:
    from triverse import api
    from triverse.api.accounts import AccountBalance
    from triverse.api.balance_change import BalanceChange
    from triverse.api.users import UserBalance, UserInfo
    from triverse.clients.asynchronous import AsyncTriverse
    from triverse.clients.sync import Triverse
    from triverse.core.api_errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        InsufficientCreditsError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        ServiceUnavailableError,
    )
    from triverse.core.errors import (
        ConfigurationError,
        ConnectionFailedError,
        DeadlineExceededError,
        InvalidResponseError,
        RequestTimeoutError,
        TaskCancelledError,
        TaskError,
        TaskFailedError,
        TransportError,
        TriverseError,
    )
    from triverse.core.exchange import Response
    from triverse.core.options import Timeout
    from triverse.core.request import Request
else:
    # Nothing is loaded before it is used: the pytest plugin is a module of this package, in everyone's test runs.
    _HOMES = {
        "triverse.api.accounts": ("AccountBalance",),
        "triverse.api.balance_change": ("BalanceChange",),
        "triverse.api.users": (
            "UserBalance",
            "UserInfo",
        ),
        "triverse.clients.asynchronous": ("AsyncTriverse",),
        "triverse.clients.sync": ("Triverse",),
        "triverse.core.api_errors": (
            "APIError",
            "AuthenticationError",
            "BadRequestError",
            "ConflictError",
            "InsufficientCreditsError",
            "NotFoundError",
            "PermissionDeniedError",
            "RateLimitError",
            "ServerError",
            "ServiceUnavailableError",
        ),
        "triverse.core.errors": (
            "ConfigurationError",
            "ConnectionFailedError",
            "DeadlineExceededError",
            "InvalidResponseError",
            "RequestTimeoutError",
            "TaskCancelledError",
            "TaskError",
            "TaskFailedError",
            "TransportError",
            "TriverseError",
        ),
        "triverse.core.exchange": ("Response",),
        "triverse.core.options": ("Timeout",),
        "triverse.core.request": ("Request",),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        from importlib import import_module  # noqa: PLC0415 - as above

        if name == "api":
            return import_module("triverse.api")
        if name not in _HOME_OF:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return value

    def __dir__() -> list[str]:
        return __all__


__all__ = [
    "APIError",
    "AccountBalance",
    "AsyncTriverse",
    "AuthenticationError",
    "BadRequestError",
    "BalanceChange",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "Request",
    "RequestTimeoutError",
    "Response",
    "ServerError",
    "ServiceUnavailableError",
    "TaskCancelledError",
    "TaskError",
    "TaskFailedError",
    "Timeout",
    "TransportError",
    "Triverse",
    "TriverseError",
    "UserBalance",
    "UserInfo",
    "__version__",
    "api",
]
