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

from typing import ClassVar, Protocol

from triverse.core.headers import Headers
from triverse.core.text import one_line

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "Credits",
    "DeadlineExceededError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTimeoutError",
    "ServerError",
    "ServiceUnavailableError",
    "TransportError",
    "TriverseError",
]


class TriverseError(Exception):
    """Base of every error that this package raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __str__(self) -> str:
        return one_line(super().__str__())

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


class APIError(TriverseError):
    """The API said no.

    Attributes:
        status_code: HTTP status of the response.
        code: the service's own error number, such as 2010; None if it sent none.
        message: what the service says happened.
        suggestion: what the service suggests to do; None if it suggests nothing.
        request_id: the service's id of the request, to quote to support; None if it sent none.
        headers: headers of the response.
        retry_after: seconds that the service asks to wait; None if it does not say.
    """

    remedy: ClassVar[str] = "Check the base URL, and look the answer up in the service's documentation."
    """What to do about errors of this class, for when the service suggests nothing."""

    def __init__(  # noqa: PLR0913 - one argument for each thing that the service says
        self,
        message: str,
        *,
        status_code: int,
        code: int | None = None,
        suggestion: str | None = None,
        headers: Headers | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.suggestion = suggestion
        self.headers: Headers = Headers() if headers is None else headers
        self.request_id: str | None = self.headers.request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        facts = [f"HTTP {self.status_code}"]
        if self.code is not None:
            facts.append(f"code {self.code}")
        if self.request_id is not None:
            facts.append(f"request {self.request_id}")
        what = f"{self.message.rstrip('.')} ({', '.join(facts)})"
        return one_line(f"{what}. {self.suggestion or self.remedy}")


class BadRequestError(APIError):
    """400 or 422: the service does not accept the parameters."""

    remedy = "Correct the parameters of the call."


class AuthenticationError(APIError):
    """401: the key is missing, unknown or revoked."""

    remedy = "Check the API key."


class InsufficientCreditsError(APIError):
    """Code 2010 (HTTP 403), or 402: the API credits do not cover the cost."""

    remedy = "Buy API credits, or wait for running tasks to release theirs."


class PermissionDeniedError(APIError):
    """403 for any reason but credits: the key may not do this."""

    remedy = "Use a key that is allowed to do this."


class NotFoundError(APIError):
    """404: there is no such thing, or it belongs to someone else."""

    remedy = "Check the id, and that it belongs to this account."


class ConflictError(APIError):
    """409: the state of the thing does not allow this now."""

    remedy = "Look at its present state before trying again."


class RateLimitError(APIError):
    """429: too many requests, or the task queue is full. `retry_after` says how long to wait, or is None."""

    remedy = "Slow down, and try again later."


class ServerError(APIError):
    """5xx: the service failed."""

    remedy = "Try again later."


class ServiceUnavailableError(ServerError):
    """503: a part of the service is down."""
