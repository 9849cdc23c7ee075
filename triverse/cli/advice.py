"""The likely cause of an error and what to do, in a sentence or two. For `triverse doctor`."""

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

__all__ = ["advice_for"]


def advice_for(error: TriverseError, key_source: str) -> str:
    """Why the call failed, and what to do."""
    if isinstance(error, (APIError, InvalidResponseError)) and _is_page(error.headers):
        return (
            f"A web page (HTTP {error.status_code}) came instead of a response of the API, from a gateway, a proxy or "
            "the login page of the network: check the base URL, log in to the network, or try again later."
        )
    if isinstance(error, APIError):
        suggestion = f" The service suggests: {error.suggestion}" if error.suggestion else ""
        return _api_error(error, key_source) + suggestion
    if isinstance(error, InvalidResponseError):
        return _invalid_response(error)
    return _transport_error(error) if isinstance(error, TransportError) else str(error)


def _is_page(headers: Headers) -> bool:
    return "html" in headers.get("content-type", "").lower()


def _api_error(error: APIError, key_source: str) -> str:
    match error:
        case AuthenticationError():
            return (
                f"The service does not accept the key from {key_source}. It is mistyped, revoked or rotated: "
                "copy it again from the Triverse API dashboard."
            )
        case PermissionDeniedError():
            return f"The key from {key_source} is not allowed to make this call: use another key."
        case NotFoundError():
            return "There is no such endpoint: check the path of TRIVERSE_BASE_URL."
        case RateLimitError():
            wait = "a while" if error.retry_after is None else f"{error.retry_after:g} s"
            return f"Too many requests were sent with this key: wait {wait}."
        case ServerError():
            return f"The service itself has a fault (HTTP {error.status_code}), not this machine: try again later."
        case _:
            return f"The service refused the call: {error.message.rstrip('.')}."


def _invalid_response(error: InvalidResponseError) -> str:
    if error.path is not None:
        return f"The response is not what the API documents at {error.path}: update triverse, or report it."
    return "The response is damaged or is not JSON: check the base URL, and any proxy that may change responses."


def _transport_error(error: TransportError) -> str:
    cause = _tls_error(error.cause)
    if cause is not None:
        return tls_advice(cause)
    if isinstance(error, DeadlineExceededError):
        return "The response began, but comes too slowly: the service is overloaded. Try again later."
    if isinstance(error, RequestTimeoutError):
        return "The connection was made, but no response comes: the service or a proxy hangs. Try again later."
    if type(error.cause).__name__ == "ProxyError":
        return "The proxy refuses the connection: check its URL, user name and password in the environment."
    return (
        "The connection broke before the response was complete: the service, a proxy or a firewall closed it. "
        "Try again, and from another network if it stays so."
    )


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS error that an HTTP library wrapped."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
