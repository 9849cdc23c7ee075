"""The Python SDK for the Triverse API: async first, with a sync face.

```python
from triverse import Triverse

with Triverse() as client:  # key from TRIVERSE_API_KEY
    print(client.users.balance())
```
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from triverse._version import __version__ as __version__

if TYPE_CHECKING:
    # For type checkers and editors. At run time the table below is used; a test compares the two.
    __all__: list[str]
    from triverse import api as api
    from triverse.api.assets import Asset as Asset
    from triverse.api.balance_change import BalanceChange as BalanceChange
    from triverse.api.tasks.quotes import Quote as Quote
    from triverse.api.tasks.task import Task as Task
    from triverse.api.tasks.task import TaskQueue as TaskQueue
    from triverse.api.uploads import UploadedFile as UploadedFile
    from triverse.api.users import AccountBalance as AccountBalance
    from triverse.api.users import UserBalance as UserBalance
    from triverse.api.users import UserInfo as UserInfo
    from triverse.clients.asynchronous import AsyncTriverse as AsyncTriverse
    from triverse.clients.sync import Triverse as Triverse
    from triverse.core.api_errors import APIError as APIError
    from triverse.core.api_errors import AuthenticationError as AuthenticationError
    from triverse.core.api_errors import BadRequestError as BadRequestError
    from triverse.core.api_errors import ConflictError as ConflictError
    from triverse.core.api_errors import InsufficientCreditsError as InsufficientCreditsError
    from triverse.core.api_errors import NotFoundError as NotFoundError
    from triverse.core.api_errors import PermissionDeniedError as PermissionDeniedError
    from triverse.core.api_errors import RateLimitError as RateLimitError
    from triverse.core.api_errors import ServerError as ServerError
    from triverse.core.api_errors import ServiceUnavailableError as ServiceUnavailableError
    from triverse.core.errors import ConfigurationError as ConfigurationError
    from triverse.core.errors import ConnectionFailedError as ConnectionFailedError
    from triverse.core.errors import DeadlineExceededError as DeadlineExceededError
    from triverse.core.errors import InvalidResponseError as InvalidResponseError
    from triverse.core.errors import RequestTimeoutError as RequestTimeoutError
    from triverse.core.errors import TaskCancelledError as TaskCancelledError
    from triverse.core.errors import TaskError as TaskError
    from triverse.core.errors import TaskFailedError as TaskFailedError
    from triverse.core.errors import TransportError as TransportError
    from triverse.core.errors import TriverseError as TriverseError
    from triverse.core.options import Timeout as Timeout
    from triverse.core.progress import Progress as Progress
    from triverse.core.request import Request as Request
    from triverse.core.response import Response as Response
else:
    # A module is imported when one of its names is first used (PEP 562). `import triverse` itself must stay fast: the
    # pytest plugin is part of this package, and pytest imports it in every test run of an environment.
    _MODULE_OF = {
        "APIError": "triverse.core.api_errors",
        "AccountBalance": "triverse.api.users",
        "Asset": "triverse.api.assets",
        "AsyncTriverse": "triverse.clients.asynchronous",
        "AuthenticationError": "triverse.core.api_errors",
        "BadRequestError": "triverse.core.api_errors",
        "BalanceChange": "triverse.api.balance_change",
        "ConfigurationError": "triverse.core.errors",
        "ConflictError": "triverse.core.api_errors",
        "ConnectionFailedError": "triverse.core.errors",
        "DeadlineExceededError": "triverse.core.errors",
        "InsufficientCreditsError": "triverse.core.api_errors",
        "InvalidResponseError": "triverse.core.errors",
        "NotFoundError": "triverse.core.api_errors",
        "PermissionDeniedError": "triverse.core.api_errors",
        "Progress": "triverse.core.progress",
        "Quote": "triverse.api.tasks.quotes",
        "RateLimitError": "triverse.core.api_errors",
        "Request": "triverse.core.request",
        "RequestTimeoutError": "triverse.core.errors",
        "Response": "triverse.core.response",
        "ServerError": "triverse.core.api_errors",
        "ServiceUnavailableError": "triverse.core.api_errors",
        "Task": "triverse.api.tasks.task",
        "TaskCancelledError": "triverse.core.errors",
        "TaskError": "triverse.core.errors",
        "TaskFailedError": "triverse.core.errors",
        "TaskQueue": "triverse.api.tasks.task",
        "Timeout": "triverse.core.options",
        "TransportError": "triverse.core.errors",
        "Triverse": "triverse.clients.sync",
        "TriverseError": "triverse.core.errors",
        "UploadedFile": "triverse.api.uploads",
        "UserBalance": "triverse.api.users",
        "UserInfo": "triverse.api.users",
    }
    __all__ = list(_MODULE_OF)
    __all__ += ["__version__", "api"]

    def __getattr__(name: str) -> object:
        if name == "api":
            return _import_module("triverse.api")
        if name not in _MODULE_OF:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = globals()[name] = getattr(_import_module(_MODULE_OF[name]), name)
        return value

    def __dir__() -> list[str]:
        return __all__
