"""The client for threads and scripts."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeVar, overload

from attrs import evolve

from triverse.api.users import UserBalance, Users, balance
from triverse.clients.config import (
    DEFAULT_MAX_CONNECTIONS,
    account_options,
    base_url_or_default,
    client_closed,
    key_from,
    make_policy,
    policy_within,
    shown,
)
from triverse.clients.keys import call_for_key
from triverse.clients.upload_window import UploadWindows
from triverse.core.errors import TriverseError
from triverse.core.options import UNSET, Policy, Timeout, Unset, positive_int
from triverse.core.request import JSON, Param, Request
from triverse.core.secret import KeySource, Secret

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

    from triverse.api.accounts import AccountBalance
    from triverse.api.tasks.namespace import Tasks
    from triverse.api.uploads import Uploads
    from triverse.clients.purse import Desk, Purse
    from triverse.core.exchange import Response
    from triverse.transport.cancel import CancelToken


__all__ = ["Triverse"]

T = TypeVar("T")


class Triverse:
    """The Triverse API, for threads and scripts. Safe to share between threads; survives `fork()`.

    Args:
        api_key: the key, or a callable that returns one; it is called for each attempt, and once more after a 401.
            Default: `TRIVERSE_API_KEY`.
        base_url: default: `TRIVERSE_BASE_URL`, else the service. Plain `http://` only for a loopback address.
        timeout: seconds for each phase of one attempt, or a `Timeout`.
        deadline: seconds for the whole call: every attempt, every backoff, every wait for a connection. None: no limit.
        max_retries: extra attempts after the first.
        max_connections: how many requests may be on the wire at once; the rest wait their turn.
        http_client: your own `httpx.Client`, which you close. Where no `timeout` is given here, its own holds.

    Raises:
        ConfigurationError: an argument or the environment is of no use.

    Example:
        ```python
        with Triverse() as client:
            print(client.users.balance())
        ```
    """

    users: Users
    """User management: who the key belongs to, and its credits."""

    def __init__(  # noqa: PLR0913 - each is one thing that users set
        self,
        api_key: KeySource | None = None,
        *,
        base_url: str | None = None,
        timeout: float | Timeout = Policy().timeout,
        deadline: float | None = Policy().deadline,
        max_retries: int = Policy().max_retries,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        http_client: httpx.Client | None = None,
    ) -> None:
        # Whoever imports this package waits for what it loads: not before it is needed.
        from triverse.transport.sync import Transport  # noqa: PLC0415 - as above

        self._key = key_from(api_key)
        del api_key  # else a traceback that shows variables shows it
        self._policy = make_policy(Policy(), self._key, timeout=timeout, deadline=deadline, max_retries=max_retries)
        self._max_connections = positive_int("max_connections", max_connections)
        self._transport = Transport(base_url_or_default(base_url), self._max_connections, http_client)
        self._owns_transport = True
        self._cancel: CancelToken | None = None
        self._closed = False
        self._desks: dict[str, Desk] = {}
        self._upload_windows = UploadWindows()
        self._make_namespaces()

    def with_options(
        self,
        *,
        api_key: KeySource | Unset = UNSET,
        timeout: float | Timeout | Unset = UNSET,
        deadline: float | Unset | None = UNSET,
        max_retries: int | Unset = UNSET,
    ) -> Self:
        """A client with other options over the same connections. Cheap; closing it leaves the connections open.

        Raises:
            ConfigurationError: an argument is of no use.
        """
        key = self._key if isinstance(api_key, Unset) else key_from(api_key)
        del api_key  # as above
        policy = make_policy(self._policy, key, timeout=timeout, deadline=deadline, max_retries=max_retries)
        return self._view(key, policy)

    def _view(self, key: Secret | Callable[[], str], policy: Policy) -> Self:
        view = type(self).__new__(type(self))
        view._key = key
        view._policy = policy
        view._max_connections = self._max_connections
        view._transport = self._transport
        view._owns_transport = False
        view._cancel = self._cancel
        view._closed = self._closed
        view._desks = self._desks
        view._upload_windows = self._upload_windows
        view._make_namespaces()
        return view

    def _make_namespaces(self) -> None:
        self.users = Users(self, self._purse)

    @cached_property
    def tasks(self) -> Tasks:
        """Tasks: quote, create, wait for and download them."""
        return self._flow_namespaces[0]

    @cached_property
    def uploads(self) -> Uploads:
        """Uploads of images and models."""
        return self._flow_namespaces[1]

    @cached_property
    def _flow_namespaces(self) -> tuple[Tasks, Uploads]:
        from triverse.api.tasks.namespace import Tasks  # noqa: PLC0415 - loaded on first use
        from triverse.api.uploads import Uploads  # noqa: PLC0415 - loaded on first use
        from triverse.clients.flow_engine import FlowEngine  # noqa: PLC0415 - loaded on first use

        engine = FlowEngine(self)
        return Tasks(engine), Uploads(engine)

    def _purse(self) -> Purse:
        from triverse.clients.purse import Desk, Purse  # noqa: PLC0415 - as the wire

        # Of threads that come here at once, all get the first one's.
        desk = self._desks.get("balance") or self._desks.setdefault("balance", Desk())
        return Purse(self._policy, desk, self._current_key, self._ask_balance)

    def _ask_balance(self, within: float, key: Secret | None = None) -> UserBalance:
        policy = policy_within(self._policy, within)
        view = self._view(self._key, policy) if key is None else self._view(key, evolve(policy, refreshes_key=False))
        return view.execute(balance())

    def execute(self, request: Request[T]) -> T:
        """Run a request, such as `triverse.api.users.me()`, and give its result.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self.send(request).data

    def send(self, request: Request[T]) -> Response[T]:
        """Run a request, and give its result with the whole story: status, headers, attempts, time.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        from triverse.clients.calls import begin  # noqa: PLC0415 - as the wire

        if self._closed or self._transport.closed:
            raise client_closed()
        if getattr(request, "file", None) is not None:
            from triverse.clients.flow_engine import FlowEngine  # noqa: PLC0415 - loaded on first use
            from triverse.clients.transfers import send_files  # noqa: PLC0415 - loaded on first use

            return (send_files(FlowEngine(self), [request]))[0]
        with closing(begin(request, self._policy)) as flow:
            attempt = next(flow)
            while True:
                if attempt.after:
                    self._pause(attempt.after)
                outcome = self._transport.attempt(attempt, self._current_key(), self._cancel)
                try:
                    attempt = flow.send(outcome)
                except StopIteration as done:
                    response: Response[T] = done.value
                    return response

    def _pause(self, seconds: float) -> None:
        if self._cancel is None:
            time.sleep(seconds)
        else:
            self._cancel.wait(seconds)

    def balances(self, keys: Mapping[str, KeySource]) -> Generator[AccountBalance, None, None]:
        """Ask for the balance of many accounts, and give each as its answer comes.

        At most `max_connections` requests are under way at once, each in a thread. What is wrong with one account is
        its own error. Leaving the loop early, or closing the generator, cuts the rest off.

        Args:
            keys: the key of each account, by whatever name you give it. Read bit by bit, as the answers come.

        Raises:
            ConfigurationError: the client is closed.

        Example:
            ```python
            for account in client.balances({"ours": "one-key", "theirs": "another-key"}):
                print(account.name, account.balance or account.error)
            ```
        """
        from triverse.clients.fan_out import each_balance  # noqa: PLC0415 - as the wire
        from triverse.transport.cancel import CancelToken  # noqa: PLC0415 - as the wire

        if self._closed or self._transport.closed:
            raise client_closed()
        view, cancel = self._view(self._key, self._policy), CancelToken()
        view._cancel = cancel
        return each_balance(view._ask_account, keys, self._max_connections, cancel)

    def _ask_account(self, name: str, key: KeySource) -> AccountBalance:
        from triverse.api.accounts import AccountBalance  # noqa: PLC0415 - as the wire

        try:
            view = self._view(*account_options(self._policy, key))
            return AccountBalance(name, view.execute(balance()))
        except TriverseError as error:
            return AccountBalance(name, error=error.with_traceback(None))

    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        json: JSON = None,
        into: type[T],
    ) -> T: ...

    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        json: JSON = None,
    ) -> object: ...

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        json: JSON = None,
        into: type[object] = object,
    ) -> object:
        """Reach an endpoint that this package does not model yet.

        Args:
            method: HTTP method. Only idempotent ones are retried after they may have reached the service.
            path: below the base URL, such as `/tasks/pricing/quote`.
            params: query parameters; those that are None are left out.
            json: JSON body.
            into: what the answer's `data` becomes: an attrs class or dataclass, `dict[str, float]`, `list[str]`, …

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self.send(Request(method, path, into, params, json)).data

    def _current_key(self) -> Secret:
        key = self._key
        return key if isinstance(key, Secret) else call_for_key(key)

    def __repr__(self) -> str:
        if not hasattr(self, "users"):  # a traceback that shows variables asks while it is being built, too
            return super().__repr__()
        return shown(self, self._key, self._transport.base_url, closed=self._closed or self._transport.closed)

    def close(self) -> None:
        """Close the connections. Requests that are under way end first; closing twice is fine."""
        self._closed = True
        if self._owns_transport:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
