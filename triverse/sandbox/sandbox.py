"""The sandbox itself: what it answers to a request. No I/O, no clock, no chance but a seeded one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Final

from attrs import frozen

from triverse.sandbox.accounts import Account, new_account

if TYPE_CHECKING:
    from triverse.clients.asynchronous import AsyncTriverse
    from triverse.clients.sync import Triverse

__all__ = ["Answer", "Sandbox"]


@frozen
class Answer:
    """What the service says: a status and a body."""

    status: int
    body: bytes


_ROUTES: Final[Mapping[str, Callable[[Account], dict[str, object]]]] = {
    "/users/me": Account.info,
    "/users/balance": Account.balance,
}


class Sandbox:
    """A local Triverse.

    Args:
        seed: where ids and keys come from; the same seed gives the same ones.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - its keys open nothing
        self._accounts: dict[str, Account] = {}
        self.demo = self.add_account(
            email="demo@triverse.example", plan_name="Studio", api_credits=1200.0, web_credits=300.0
        )

    def add_account(
        self,
        *,
        email: str = "someone@triverse.example",
        plan_name: str | None = None,
        api_credits: float = 0.0,
        web_credits: float = 0.0,
    ) -> Account:
        """Open an account; its key is in the answer."""
        account = new_account(self._random, email, plan_name, api_credits, web_credits)
        self._accounts[account.key] = account
        return account

    def answer(self, method: str, path: str, authorization: str | None) -> Answer:
        """What the service answers to this request."""
        scheme, _, key = (authorization or "").partition(" ")
        account = self._accounts.get(key) if scheme.lower() == "bearer" else None
        if account is None:
            return _error(401, 401, "The API key is missing or wrong.", "Send `Authorization: Bearer <API key>`.")
        if path not in _ROUTES:
            return _error(404, 1005, f"There is no {path}.", "See the API documentation for what there is.")
        if method != "GET":
            return _error(405, 405, f"{path} does not take {method}.", "Use GET.")
        return _json(200, {"code": 0, "message": "success", "data": _ROUTES[path](account)})

    def client(self, account: Account | None = None) -> Triverse:
        """A client of the sandbox, in process, with the account's key; by default the demo account's."""
        from triverse.sandbox.in_process import client  # noqa: PLC0415 - loads httpx

        return client(self, (account or self.demo).key)

    def async_client(self, account: Account | None = None) -> AsyncTriverse:
        """An async client of the sandbox, in process, with the account's key; by default the demo account's."""
        from triverse.sandbox.in_process import async_client  # noqa: PLC0415 - loads httpx

        return async_client(self, (account or self.demo).key)


def _json(status: int, body: dict[str, object]) -> Answer:
    return Answer(status, json.dumps(body).encode())


def _error(status: int, code: int, message: str, suggestion: str) -> Answer:
    return _json(status, {"code": code, "message": message, "suggestion": suggestion})
