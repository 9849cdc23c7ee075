"""The Python SDK for the Triverse API: async first, with a sync face.

```python
from triverse import Triverse

with Triverse() as client:  # key from TRIVERSE_API_KEY
    print(client.users.balance())
```
"""

from __future__ import annotations

from triverse import api
from triverse._version import __version__
from triverse.api.accounts import AccountBalance
from triverse.api.credits import BalanceChange
from triverse.api.users import UserBalance, UserInfo
from triverse.clients.asynchronous import AsyncTriverse
from triverse.clients.sync import Triverse
from triverse.core.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DeadlineExceededError,
    InsufficientCreditsError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    ServiceUnavailableError,
    TransportError,
    TriverseError,
)
from triverse.core.exchange import Response
from triverse.core.options import Timeout
from triverse.core.request import Request

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
    "Timeout",
    "TransportError",
    "Triverse",
    "TriverseError",
    "UserBalance",
    "UserInfo",
    "__version__",
    "api",
]
