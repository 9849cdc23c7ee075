"""From an error to its likely cause and what to do, in a sentence or two. For `triverse doctor`."""

from __future__ import annotations

import ssl

from triverse import (
    APIError,
    AuthenticationError,
    DeadlineExceededError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    TriverseError,
)
from triverse.cli.network import tls_advice
from triverse.core.headers import Headers

__all__ = ["diagnosis"]


def diagnosis(error: TriverseError, key_source: str) -> str:
    """Why the call failed, and what to do."""
    if isinstance(error, (APIError, InvalidResponseError)) and _is_page(error.headers):
        return (
            f"A web page (HTTP {error.status_code}) came in place of an answer of the API, from a gateway, a proxy or "
            "the network's login page: check the base URL, log in to the network, or try again later."
        )
    if isinstance(error, APIError):
        said = f" The service suggests: {error.suggestion}" if error.suggestion else ""
        return _refused(error, key_source) + said
    if isinstance(error, InvalidResponseError):
        return _not_understood(error)
    return _no_answer(error) if isinstance(error, TransportError) else str(error)


def _is_page(headers: Headers) -> bool:
    return "html" in headers.get("content-type", "").lower()


def _refused(error: APIError, key_source: str) -> str:
    match error:
        case AuthenticationError():
            return f"The service does not know the key from {key_source}: it is mistyped, revoked or rotated. Copy it."
        case PermissionDeniedError():
            return f"The service knows the key from {key_source}, but does not allow it this call: use one that may."
        case NotFoundError():
            return "There is no such endpoint: check the path of TRIVERSE_BASE_URL."
        case RateLimitError():
            wait = "a while" if error.retry_after is None else f"{error.retry_after:g} s"
            return f"Too many requests were sent with this key: wait {wait}."
        case ServerError():
            return f"The service itself fails (HTTP {error.status_code}), not this machine: try again later."
        case _:
            return f"The service refused the call: {error.message.rstrip('.')}."


def _not_understood(error: InvalidResponseError) -> str:
    if error.path is not None:
        return f"The answer has not the documented form at {error.path}: update triverse, or tell the service."
    return "The answer is damaged or no JSON: something in between changes it. Check the base URL and the proxy."


def _no_answer(error: TransportError) -> str:
    cause = _tls_error(error.cause)
    if cause is not None:
        return tls_advice(cause)
    if isinstance(error, DeadlineExceededError):
        return (
            "The answer began, but trickles in too slowly to end in time: the service is overloaded. Try again later."
        )
    if isinstance(error, RequestTimeoutError):
        return "The connection stands, but no answer comes in time: the service or a proxy hangs. Try again later."
    if type(error.cause).__name__ == "ProxyError":
        return "The proxy does not let the call through: check its URL, name and password in the environment."
    return (
        "The connection broke before the whole answer was here: the service, a proxy or a firewall cut it off. "
        "Try again, and from another network if it stays."
    )


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """What TLS said, where an HTTP library has wrapped it."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
