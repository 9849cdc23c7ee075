"""The sandbox itself: accounts, faults and a log around what the service answers. No I/O, no clock, seeded chance."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Final

from attrs import frozen

from triverse._extras import extra_needed
from triverse.sandbox.accounts import Account, new_account, new_key
from triverse.sandbox.faults import Fault, Faults
from triverse.sandbox.http import Answer, Received
from triverse.sandbox.service import respond

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from triverse.clients.asynchronous import AsyncTriverse
    from triverse.clients.sync import Triverse

__all__ = ["Handled", "Sandbox"]

# A sandbox that is left running does not fill memory.
_REMEMBERED: Final = 10_000


@frozen
class Handled:
    """One line of the request log.

    Attributes:
        request: what came in, with keys redacted and without the body.
        outcome: what was answered.
        fault: what went wrong on demand; None for nothing.
    """

    request: Received
    outcome: Answer
    fault: Fault | None = None

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.request.method

    @property
    def path(self) -> str:
        """Below the base URL, without the query."""
        return self.request.path

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return self.outcome.status


class Sandbox:
    """A local Triverse. Safe to share between threads and tasks.

    Args:
        seed: where ids and keys come from; the same seed gives the same ones.

    Attributes:
        faults: what is to go wrong.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - its keys open nothing
        self._accounts: list[Account] = []
        self._by_key: dict[str | None, Account] = {}
        self._demo: Account | None = None
        self._log: deque[Handled] = deque(maxlen=_REMEMBERED)
        self._lock = RLock()
        self.faults: Faults = Faults()

    def add_account(
        self,
        *,
        email: str = "someone@triverse.example",
        plan_name: str | None = None,
        api_credits: float = 0.0,
        web_credits: float = 0.0,
    ) -> Account:
        """Open an account; `.key` is its key.

        Raises:
            ConfigurationError: not a number of credits.
        """
        with self._lock:
            account = new_account(self._random, email, plan_name, api_credits, web_credits)
            self._accounts.append(account)
            self._by_key[account.key] = account
            return account

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        return tuple(self._accounts)

    @property
    def demo(self) -> Account:
        """An account to try things with, opened when it is first asked for."""
        with self._lock:
            if self._demo is None:
                self._demo = self.add_account(
                    email="demo@triverse.example", plan_name="Studio", api_credits=1200.0, web_credits=300.0
                )
            return self._demo

    def rotate_key(self, account: Account) -> str:
        """Give the account a new key; the old one is of no use any more."""
        with self._lock:
            account.key, account.revoked = new_key(self._random), False
            self._by_key[account.key] = account
            return account.key

    def revoke_key(self, account: Account) -> None:
        """Take the account's key away; requests with it are answered by 401."""
        account.revoked = True

    @property
    def requests(self) -> tuple[Handled, ...]:
        """The last requests, the oldest first."""
        return tuple(self._log)

    def handle(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Answer:
        """Answer a request, by whatever way it came.

        Args:
            method: HTTP method.
            path: with or without `/api/v1`; without a query.
            headers: pairs of name and value.
            body: of the request.
        """
        request = Received.of(method, path, headers, body)
        usual = respond(request, self._owner(request.key))
        fault = self.faults.take(request)
        answer = usual if fault is None else fault.spoil(usual)
        self._log.append(Handled(request.redacted(), answer, fault))
        return answer

    def _owner(self, key: str | None) -> Account | None:
        # Found at once, since there may be thousands; looked for only if someone set the key by hand.
        account = self._by_key.get(key)
        if account is None or account.key != key:
            account = next((other for other in self.accounts if other.key == key), None)
        return None if account is None or account.revoked else account

    def client(self, account: Account | None = None) -> Triverse:
        """A client of the sandbox, in process, with the account's key; by default the demo account's."""
        from triverse.sandbox.mock_transport import client  # noqa: PLC0415 - loads httpx

        return client(self, account or self.demo)

    def async_client(self, account: Account | None = None) -> AsyncTriverse:
        """An async client of the sandbox, in process, with the account's key; by default the demo account's."""
        from triverse.sandbox.mock_transport import async_client  # noqa: PLC0415 - loads httpx

        return async_client(self, account or self.demo)

    def app(self) -> Starlette:
        """An ASGI application, for any ASGI server or for `httpx.ASGITransport`. Needs `triverse[sandbox]`.

        Raises:
            ModuleNotFoundError: the extra is not installed.
        """
        with extra_needed():
            from triverse.sandbox.asgi import application  # noqa: PLC0415 - needs the extra
        return application(self)

    def serve(self) -> AbstractContextManager[str]:
        """Serve on a free loopback port for as long as the `with` block runs. Needs `triverse[sandbox]`.

        Gives the base URL for clients, such as `http://127.0.0.1:40211/api/v1`.

        Raises:
            ModuleNotFoundError: the extra is not installed.
        """
        with extra_needed():
            from triverse.sandbox.server import serving  # noqa: PLC0415 - needs the extra
        return serving(self)
