"""The endpoints that the sandbox answers. A new one is one more row of `ROUTES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from triverse.api import users
from triverse.core.api_errors import APIError
from triverse.core.request import Request
from triverse.core.result import Result
from triverse.sandbox.accounts import Account
from triverse.sandbox.errors import documented
from triverse.sandbox.http import Answer, Received, failure, success

__all__ = ["ROUTES", "Route"]


@frozen
class Route:
    """One endpoint.

    Attributes:
        name: of the operation, in the description of the API.
        request: what clients send; its JSON body, if it has one, stands as an example of others.
        result: what becomes of it. It may raise the error that clients are to see.
    """

    name: str
    request: Request[Result]
    result: Callable[[Account, Received], Result]

    def answer(self, account: Account, received: Received) -> Answer:
        """The result, or the refusal, in the documented frame."""
        try:
            return success(self.result(account, received))
        except APIError as refusal:
            row = documented(refusal.status_code, refusal.code)
            return failure(row._replace(message=refusal.message))


ROUTES: Final = (
    Route("getMe", users.me(), lambda account, _: account.info),
    Route("getBalance", users.balance(), lambda account, _: account.balance),
)
