"""What the service answers to a request: paths, methods, keys, in this order."""

from __future__ import annotations

from typing import Final

from triverse.sandbox.accounts import Account
from triverse.sandbox.errors import DOCUMENTED
from triverse.sandbox.http import Answer, Received, failure
from triverse.sandbox.openapi import DESCRIPTION_PATH, document
from triverse.sandbox.routes import ROUTES

__all__ = ["respond"]

_METHODS: Final = {route.request.path: route.request.method for route in ROUTES} | {DESCRIPTION_PATH: "GET"}
_ROUTE_OF: Final = {route.request.path: route for route in ROUTES}


def respond(request: Received, account: Account | None) -> Answer:
    """The answer to a request whose key belongs to this account, or to none."""
    allowed = _METHODS.get(request.path)
    if allowed is None:
        return failure(DOCUMENTED[1005])
    if request.method != allowed:
        return failure(DOCUMENTED[405], {"Allow": allowed})
    if request.path == DESCRIPTION_PATH:
        return Answer(200, document(server="/api/v1"), {"Content-Type": "application/json"})
    if account is None:
        return failure(DOCUMENTED[401], {"WWW-Authenticate": "Bearer"})
    return _ROUTE_OF[request.path].answer(account, request)
