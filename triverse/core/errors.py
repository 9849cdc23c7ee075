"""Everything that can go wrong, as one tree.

    TriverseError
    ├── ConfigurationError            a bad or missing key, base URL or option; nothing was sent
    ├── TransportError                no response came back; .cause is the library's own error
    │   ├── ConnectionFailedError
    │   └── RequestTimeoutError       also a builtin TimeoutError
    │       └── DeadlineExceededError the call's deadline ran out
    ├── InvalidResponseError          a response came back that is not what the API documents
    └── APIError                      the API said no
        ├── BadRequestError           400, 422
        ├── AuthenticationError       401
        ├── InsufficientCreditsError  code 2010 (HTTP 403), and 402
        ├── PermissionDeniedError     any other 403
        ├── NotFoundError             404
        ├── ConflictError             409
        ├── RateLimitError            429
        └── ServerError               5xx
            └── ServiceUnavailableError  503

Each one is one line that says what happened and what to do, pickles and copies whole, and never holds the key.
"""

from __future__ import annotations

from typing import Protocol

from triverse.core.headers import Headers
from triverse.core.text import to_single_line

__all__ = [
    "ConfigurationError",
    "ConnectionFailedError",
    "Credits",
    "DeadlineExceededError",
    "InvalidResponseError",
    "RequestTimeoutError",
    "TransportError",
    "TriverseError",
]


class TriverseError(Exception):
    """Base of every error that this package raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __str__(self) -> str:
        return to_single_line(super().__str__())

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own recipe calls the class with `args` alone, which loses keyword arguments.
        return _restore, (type(self), self.args, self._state())

    def _state(self) -> dict[str, object]:
        return dict(vars(self))


def _restore(cls: type[TriverseError], args: tuple[object, ...], state: dict[str, object]) -> TriverseError:
    error = cls.__new__(cls)
    error.args = args
    vars(error).update(state)
    return error


class ConfigurationError(TriverseError):
    """A bad or missing key, base URL or option, or a closed client. Nothing was sent."""


class TransportError(TriverseError):
    """No response came back.

    Attributes:
        cause: the error of the HTTP library or the operating system.
    """

    cause: BaseException | None

    def __init__(self, message: str, *, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.cause = cause

    def _state(self) -> dict[str, object]:
        return {**vars(self), "cause": _picklable(self.cause)}


def _picklable(cause: BaseException | None) -> BaseException | None:
    """The cause itself where it survives pickling, else a stand-in that says the same."""
    import pickle  # noqa: PLC0415 - who makes no pickles need not load it

    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - our own bytes, made one call earlier
    except Exception:  # noqa: BLE001 - foreign classes fail to pickle in any way they like
        return Exception(f"{type(cause).__name__}: {cause}")
    return cause


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke before the whole response had come."""


class RequestTimeoutError(TransportError, TimeoutError):
    """A phase of the attempt took longer than `timeout` allows."""


class Credits(Protocol):
    """What an error can say of an account's credits; a `triverse.UserBalance` is that, and more."""

    @property
    def balance(self) -> float:
        """Credits that are available."""
        ...

    @property
    def frozen(self) -> float:
        """Credits held for tasks that are running."""
        ...

    @property
    def total(self) -> float:
        """Both together."""
        ...

    def covers(self, cost: float, /) -> bool:
        """Whether the available credits pay for a task of this cost."""
        ...


class DeadlineExceededError(RequestTimeoutError):
    """The call's `deadline` ran out: attempts, backoff and waiting together.

    Attributes:
        balance: the `triverse.UserBalance` that was seen last, where the call was one that waits for credits; else
            None.
    """

    balance: Credits | None

    def __init__(
        self,
        message: str,
        *,
        cause: BaseException | None = None,
        balance: Credits | None = None,
    ) -> None:
        super().__init__(message, cause=cause)
        self.balance = balance


class InvalidResponseError(TriverseError):
    """A response came back that is not what the API documents.

    Attributes:
        path: where in the body, such as `data.balance`; None when the whole body is at fault.
        status_code: HTTP status of the response.
        headers: headers of the response.
        request_id: the service's id of the request, to quote to support; None if it sent none.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        headers: Headers | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.status_code = status_code
        self.headers: Headers = Headers() if headers is None else headers
        self.request_id: str | None = self.headers.request_id
