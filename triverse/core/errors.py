"""All errors of this package, as one tree.

    TriverseError
    ├── ConfigurationError            a bad or missing key, option or file
    ├── TransportError                no response came; .cause is why
    │   ├── ConnectionFailedError
    │   └── RequestTimeoutError       also a builtin TimeoutError
    │       └── DeadlineExceededError deadline or timeout ran out
    ├── InvalidResponseError          a response that is not documented
    ├── TaskError                     a task ended without a result
    │   ├── TaskFailedError
    │   └── TaskCancelledError
    └── APIError                      an error response of the API
        ├── BadRequestError           400, 422
        ├── AuthenticationError       401
        ├── InsufficientCreditsError  code 2010 (HTTP 403), and 402
        ├── PermissionDeniedError     any other 403
        ├── NotFoundError             404
        ├── ConflictError             409
        ├── RateLimitError            429
        └── ServerError               5xx
            └── ServiceUnavailableError  503

The text of each is one line: what happened, then what to do. Each pickles and copies whole, and none holds the key.
`APIError` and the classes below it are in `api_errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from triverse.core.headers import Headers
from triverse.core.text import to_single_line

__all__ = [
    "ConfigurationError",
    "ConnectionFailedError",
    "Credits",
    "DeadlineExceededError",
    "InvalidResponseError",
    "RequestTimeoutError",
    "TaskCancelledError",
    "TaskError",
    "TaskFailedError",
    "TaskState",
    "TransportError",
    "TriverseError",
]


class TaskState(Protocol):
    """What an error knows about a task. A `triverse.Task` has these attributes, and more."""

    @property
    def task_uuid(self) -> UUID:
        """The id of the task."""
        ...

    @property
    def status(self) -> str:
        """The status as the service sent it."""
        ...

    @property
    def flow_name(self) -> str | None:
        """The flow of the task."""
        ...

    @property
    def progress(self) -> float | None:
        """The estimated progress, 0 to 100."""
        ...

    @property
    def error(self) -> Mapping[str, object] | str | None:
        """The service's description of the failure."""
        ...

    @property
    def reason(self) -> str | None:
        """The text of `error`."""
        ...


class TriverseError(Exception):
    """Base of every error that this package raises on purpose.

    Attributes:
        client_order_id: for a call that creates a task: the id that was sent; None if none was sent.
        task_may_exist: for a call that creates a task: False only if no attempt can have created one.
        task_uuid: the id of the task that the call was about, if it is known.
        task: the last known state of that task, if there is one.
    """

    client_order_id: str | None = None
    task_may_exist: bool = False
    task_uuid: UUID | None = None
    task: TaskState | None = None
    _hint: str = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __str__(self) -> str:
        text = super().__str__()
        return to_single_line(f"{text}. {self._hint}" if self._hint else text)

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
    """A bad or missing key, base URL, option or input file, or a closed client. Nothing was sent."""


class TransportError(TriverseError):
    """No response came back.

    Attributes:
        cause: the error of the HTTP library or the operating system.
        method: HTTP method of the last request; None if there was none.
        url: URL of the last request, without query and key; None if there was none.
    """

    cause: BaseException | None
    method: str | None = None
    url: str | None = None

    def __init__(self, message: str, *, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.cause = cause

    def _state(self) -> dict[str, object]:
        return {**vars(self), "cause": _picklable(self.cause)}


def _picklable(cause: BaseException | None) -> BaseException | None:
    """Return the cause, or a plain exception with the same text if the cause cannot be pickled."""
    import pickle  # noqa: PLC0415 - takes 1.5 ms, and few programs pickle errors

    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - the bytes were made by the call inside
    except Exception:  # noqa: BLE001 - other libraries' classes fail to pickle in any way
        return Exception(f"{type(cause).__name__}: {cause}")
    return cause


class ConnectionFailedError(TransportError):
    """The connection could not be made, or it broke before the whole response was received."""


class RequestTimeoutError(TransportError, TimeoutError):
    """A phase of the attempt took longer than `timeout` allows."""


class Credits(Protocol):
    """What an error knows about an account's credits. A `triverse.UserBalance` has these attributes, and more."""

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
        """Available and frozen credits together."""
        ...

    def covers(self, cost: float, /) -> bool:
        """Whether the available credits pay for a task of this cost."""
        ...


class DeadlineExceededError(RequestTimeoutError):
    """The call's `deadline`, or the `timeout` of a wait or a transfer, ran out.

    Attributes:
        balance: the last `triverse.UserBalance` of a call that waits for credits; else None.
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
        path: where in the body, such as `data.balance`; None if the whole body is wrong.
        status_code: HTTP status of the response.
        headers: headers of the response; `Location` without its query, which may give access to a file.
        request_id: the service's id of the request, to quote to support; None if it sent none.
        method: HTTP method of the last request; None if there was none.
        url: URL of the last request, without query and key; None if there was none.
    """

    method: str | None = None
    url: str | None = None

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
        self.headers: Headers = Headers() if headers is None else headers.without_query()
        self.request_id: str | None = self.headers.request_id


class TaskError(TriverseError):
    """A task ended without a result. `task` is its last state, `task_uuid` its id."""

    def __init__(self, message: str, *, task: TaskState) -> None:
        super().__init__(message)
        # Narrower than in the base: this error always has a task.
        self.task: TaskState = task  # pyright: ignore[reportIncompatibleVariableOverride]
        self.task_uuid: UUID = task.task_uuid  # pyright: ignore[reportIncompatibleVariableOverride]


class TaskFailedError(TaskError):
    """The task ended with the status FAILED. Its credits are released."""


class TaskCancelledError(TaskError):
    """The task ended with the status CANCELLED. Its credits are released."""
