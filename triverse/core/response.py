"""The result of a call together with how it was obtained."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import frozen

from triverse.core.headers import Headers

__all__ = ["Response"]

T_co = TypeVar("T_co", covariant=True)


@frozen
class Response(Generic[T_co]):
    """The result of a call, and how it was obtained.

    Attributes:
        data: what `client.execute()` returns.
        status_code: HTTP status of the last response.
        headers: headers of the last response.
        attempts: how many times the request was sent.
        elapsed: seconds from the start of the call, waits included.
        client_order_id: for a call that creates a task: the id that was sent; None if none was sent.
        url: URL of the request, without query and key.
    """

    data: T_co
    status_code: int
    headers: Headers
    attempts: int
    elapsed: float
    client_order_id: str | None = None
    url: str | None = None

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, to quote to support; None if it sent none."""
        return self.headers.request_id
