"""What the service answers to a request: routes, methods, keys, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from triverse.core.result import Result
from triverse.sandbox.accounts import Account
from triverse.sandbox.errors import DOCUMENTED
from triverse.sandbox.messages import Answer, Received, failure, success
from triverse.sandbox.openapi import DESCRIPTION_PATH, document

__all__ = ["respond"]

_ROUTES: Final[Mapping[str, Callable[[Account], Result]]] = {
    "/users/me": lambda account: account.info,
    "/users/balance": lambda account: account.balance,
}


def respond(request: Received, account: Account | None) -> Answer:
    """The answer to a request whose key belongs to this account, or to none."""
    if request.path not in _ROUTES and request.path != DESCRIPTION_PATH:
        return failure(DOCUMENTED[1005])
    if request.method != "GET":
        return failure(DOCUMENTED[405], {"Allow": "GET"})
    if request.path == DESCRIPTION_PATH:
        return Answer(200, document(server="/api/v1"), {"Content-Type": "application/json"})
    if account is None:
        return failure(DOCUMENTED[401], {"WWW-Authenticate": "Bearer"})
    return success(_sent(_ROUTES[request.path](account)))


def _sent(result: Result) -> dict[str, object]:
    fields = attrs.asdict(result, filter=lambda attribute, _value: attribute.name != "_extra")
    return {name: value if isinstance(value, float) or value is None else str(value) for name, value in fields.items()}
