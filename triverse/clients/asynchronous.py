"""The client for asyncio and trio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeVar, overload

from attrs import evolve

from triverse.api.users import AsyncUsers, UserBalance, balance
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
from triverse.clients.keys import await_for_key
from triverse.clients.upload_window import UploadWindows
from triverse.core.errors import TriverseError
from triverse.core.options import UNSET, Policy, Timeout, Unset, positive_int
from triverse.core.request import JSON, Param, Request
from triverse.core.secret import AsyncKeySource, Secret

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

    from triverse.api.accounts import AccountBalance
    from triverse.api.tasks.async_namespace import AsyncTasks
    from triverse.api.uploads import AsyncUploads
    from triverse.clients.async_fan_out import AsyncBalances
    from triverse.clients.async_purse import AsyncDesk, AsyncPurse
    from triverse.core.exchange import Response


__all__ = ["AsyncTriverse"]

T = TypeVar("T")


class AsyncTriverse:
    """The Triverse API, for asyncio and trio. One instance works in several event loops, one after another or at once.

    Args:
        api_key: the key, or a callable, plain or async, that returns one; it is called for each attempt, and once more
            after a 401. Default: `TRIVERSE_API_KEY`.
        base_url: default: `TRIVERSE_BASE_URL`, else the service. Plain `http://` only for a loopback address.
        timeout: seconds for each phase of one attempt, or a `Timeout`.
        deadline: seconds for the whole call: every attempt, every backoff, every wait for a connection. None: no limit.
        max_retries: extra attempts after the first.
        max_connections: how many requests may be on the wire at once; the rest wait their turn.
        http_client: your own `httpx.AsyncClient`, which you close. Where no `timeout` is given here, its own holds.

    Raises:
        ConfigurationError: an argument or the environment is of no use.

    Example:
        ```python
        async with AsyncTriverse() as client:
            print(await client.users.balance())
        ```
    """

    users: AsyncUsers
    """User management: who the key belongs to, and its credits."""

    def __init__(  # noqa: PLR0913 - each is one thing that users set
        self,
        api_key: AsyncKeySource | None = None,
        *,
        base_url: str | None = None,
        timeout: float | Timeout = Policy().timeout,
        deadline: float | None = Policy().deadline,
        max_retries: int = Policy().max_retries,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        # Whoever imports this package waits for what it loads: not before it is needed.
        from triverse.transport.asynchronous import AsyncTransport  # noqa: PLC0415 - as above

        self._key = key_from(api_key)
        del api_key  # else a traceback that shows variables shows it
        self._policy = make_policy(Policy(), self._key, timeout=timeout, deadline=deadline, max_retries=max_retries)
        self._max_connections = positive_int("max_connections", max_connections)
        self._transport = AsyncTransport(base_url_or_default(base_url), self._max_connections, http_client)
        self._owns_transport = True
        self._closed = False
        self._desks: dict[str, AsyncDesk] = {}
        self._upload_windows = UploadWindows()
        self._make_namespaces()

    def with_options(
        self,
        *,
        api_key: AsyncKeySource | Unset = UNSET,
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

    def _view(self, key: Secret | Callable[[], object], policy: Policy) -> Self:
        view = type(self).__new__(type(self))
        view._key = key
        view._policy = policy
        view._max_connections = self._max_connections
        view._transport = self._transport
        view._owns_transport = False
        view._closed = self._closed
        view._desks = self._desks
        view._upload_windows = self._upload_windows
        view._make_namespaces()
        return view

    def _make_namespaces(self) -> None:
        self.users = AsyncUsers(self, self._purse)

    @cached_property
    def tasks(self) -> AsyncTasks:
        """Tasks: quote, create, wait for and download them."""
        return self._flow_namespaces[0]

    @cached_property
    def uploads(self) -> AsyncUploads:
        """Uploads of images and models."""
        return self._flow_namespaces[1]

    @cached_property
    def _flow_namespaces(self) -> tuple[AsyncTasks, AsyncUploads]:
        from triverse.api.tasks.async_namespace import AsyncTasks  # noqa: PLC0415 - loaded on first use
        from triverse.api.uploads import AsyncUploads  # noqa: PLC0415 - loaded on first use
        from triverse.clients.async_flow_engine import AsyncFlowEngine  # noqa: PLC0415 - loaded on first use

        engine = AsyncFlowEngine(self)
        return AsyncTasks(engine), AsyncUploads(engine)

    def _purse(self) -> AsyncPurse:
        from triverse.clients.async_purse import AsyncDesk, AsyncPurse  # noqa: PLC0415 - as the wire

        # Of threads that come here at once, all get the first one's.
        desk = self._desks.get("balance") or self._desks.setdefault("balance", AsyncDesk())
        return AsyncPurse(self._policy, desk, self._current_key, self._ask_balance)

    async def _ask_balance(self, within: float, key: Secret | None = None) -> UserBalance:
        policy = policy_within(self._policy, within)
        view = self._view(self._key, policy) if key is None else self._view(key, evolve(policy, refreshes_key=False))
        return await view.execute(balance())

    async def execute(self, request: Request[T]) -> T:
        """Run a request, such as `triverse.api.users.me()`, and give its result.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self.send(request)).data

    async def send(self, request: Request[T]) -> Response[T]:
        """Run a request, and give its result with the whole story: status, headers, attempts, time.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        from triverse.clients.calls import begin  # noqa: PLC0415 - as the wire

        if self._closed or self._transport.closed:
            raise client_closed()
        if getattr(request, "file", None) is not None:
            from triverse.clients.async_flow_engine import AsyncFlowEngine  # noqa: PLC0415 - loaded on first use
            from triverse.clients.async_transfers import send_files  # noqa: PLC0415 - loaded on first use

            return (await send_files(AsyncFlowEngine(self), [request]))[0]
        with closing(begin(request, self._policy)) as flow:
            attempt = next(flow)
            while True:
                if attempt.after:
                    await _sleep(attempt.after)
                outcome = await self._transport.attempt(attempt, await self._current_key(attempt.deadline))
                try:
                    attempt = flow.send(outcome)
                except StopIteration as done:
                    response: Response[T] = done.value
                    return response

    def balances(self, keys: Mapping[str, AsyncKeySource]) -> AsyncBalances:
        """Ask for the balance of many accounts, and give each as its answer comes.

        At most `max_connections` requests are under way at once. What is wrong with one account is its own error.
        Leaving the loop early cancels the rest; `async with` around the iteration waits until that is done.

        Args:
            keys: the key of each account, by whatever name you give it. Read bit by bit, as the answers come.

        Raises:
            ConfigurationError: the client is closed.

        Example:
            ```python
            async for account in client.balances({"ours": "one-key", "theirs": "another-key"}):
                print(account.name, account.balance or account.error)
            ```
        """
        from triverse.clients.async_fan_out import AsyncBalances, Crew  # noqa: PLC0415 - as the wire

        if self._closed or self._transport.closed:
            raise client_closed()
        return AsyncBalances(Crew(self._ask_account, keys, self._max_connections))

    async def _ask_account(self, name: str, key: AsyncKeySource) -> AccountBalance:
        from triverse.api.accounts import AccountBalance  # noqa: PLC0415 - as the wire

        try:
            view = self._view(*account_options(self._policy, key))
            return AccountBalance(name, await view.execute(balance()))
        except TriverseError as error:
            return AccountBalance(name, error=error.with_traceback(None))

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        json: JSON = None,
        into: type[T],
    ) -> T: ...

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        json: JSON = None,
    ) -> object: ...

    async def request(
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
        return (await self.send(Request(method, path, into, params, json))).data

    async def _current_key(self, deadline: float | None) -> Secret:
        key = self._key
        return key if isinstance(key, Secret) else await await_for_key(key, deadline)

    def __repr__(self) -> str:
        if not hasattr(self, "users"):  # a traceback that shows variables asks while it is being built, too
            return super().__repr__()
        return shown(self, self._key, self._transport.base_url, closed=self._closed or self._transport.closed)

    async def aclose(self) -> None:
        """Close the connections. Requests that are under way end first; closing twice is fine."""
        self._closed = True
        if self._owns_transport:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _sleep(seconds: float) -> None:
    import anyio  # noqa: PLC0415 - loaded with the wire, and not before

    await anyio.sleep(seconds)
