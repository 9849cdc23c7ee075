"""The client for asyncio and trio: signatures and docstrings over the engine."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, cast, overload

from triverse.clients.lazy_modules import (
    api_users,
    async_balances,
    async_engine,
    async_tasks_namespace,
    config,
    httpx,
    options,
    requests,
    responses,
    secret,
    uploads,
    users_namespace,
)
from triverse.core.defaults import DEFAULT_DEADLINE, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_RETRIES, UNSET, Unset
from triverse.core.errors import TriverseError

if TYPE_CHECKING:
    from triverse.clients.async_calls import AsyncCalls
    from triverse.clients.async_engine import AsyncEngine

__all__ = ["AsyncTriverse"]

T = TypeVar("T")


class AsyncTriverse:
    """The Triverse API, for asyncio and trio. One instance works in several event loops, one after another or at once.

    Args:
        api_key: the key, or a callable, plain or async, that returns one; it is called for each attempt, and once more
            after a 401. Default: `TRIVERSE_API_KEY`, read now.
        base_url: default: `TRIVERSE_BASE_URL`, else the service. Plain `http://` only for a loopback address.
        timeout: seconds for each phase of one attempt, or a `Timeout`. Default: 5 seconds to connect, 15 to read and to
            write.
        deadline: seconds for the whole call: every attempt, every backoff, every wait for a connection. None: no limit.
        max_retries: extra attempts after the first.
        max_connections: how many requests may be sent at once in each event loop; others wait.
        http_client: your own `httpx.AsyncClient`, which you close. If no `timeout` is given here, its own applies.
        allow_http: allow plain `http://` to any host, for a mock or a gateway on a private network.
            `TRIVERSE_ALLOW_HTTP=1` allows it whatever is passed here.

    Raises:
        ConfigurationError: an argument or a value of the environment is wrong.

    Example:
        ```python
        async with AsyncTriverse() as client:
            print(await client.users.balance())
        ```
    """

    def __init__(  # noqa: PLR0913 - each is one option of a client
        self,
        api_key: secret.AsyncKeySource | None = None,
        *,
        base_url: str | None = None,
        timeout: float | options.Timeout | Unset = UNSET,
        deadline: float | None = DEFAULT_DEADLINE,
        max_retries: int = DEFAULT_MAX_RETRIES,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        http_client: httpx.AsyncClient | None = None,
        allow_http: bool = False,
    ) -> None:
        key, key_source = config.resolve_key(api_key)
        del api_key  # otherwise a traceback that shows variables would show the key
        policy = config.make_policy(
            options.Policy(), key, key_source, timeout=timeout, deadline=deadline, max_retries=max_retries
        )
        settings = config.make_settings(base_url, max_connections, allow_http=allow_http)
        # This imports all that the first call needs.
        self._engine = async_engine.make_engine(key, policy, settings, http_client)

    @property
    def users(self) -> users_namespace.AsyncUsers:
        """User management: the account that the key belongs to, and its credits."""
        return users_namespace.AsyncUsers(self._calls)

    @property
    def tasks(self) -> async_tasks_namespace.AsyncTasks:
        """Tasks: quote, create, wait, download."""
        return async_tasks_namespace.AsyncTasks(self._calls)

    @property
    def uploads(self) -> uploads.AsyncUploads:
        """Uploads of images and models."""
        return uploads.AsyncUploads(self._calls)

    @property
    def _calls(self) -> AsyncCalls:
        return self._engine.calls(self)

    def with_options(
        self,
        *,
        api_key: secret.AsyncKeySource | Unset = UNSET,
        timeout: float | options.Timeout | Unset = UNSET,
        deadline: float | Unset | None = UNSET,
        max_retries: int | Unset = UNSET,
    ) -> Self:
        """Return a client with other options over the same connections. Cheap; closing it leaves the connections open.

        Raises:
            ConfigurationError: an option is wrong, or `api_key` is None.
        """
        engine = self._engine
        key, key_source = config.view_key(engine.key, engine.policy.key_source, api_key)
        del api_key  # otherwise a traceback that shows variables would show the key
        policy = config.make_policy(
            engine.policy, key, key_source, timeout=timeout, deadline=deadline, max_retries=max_retries
        )
        return self._with_engine(engine.view(key=key, policy=policy))

    def _with_engine(self, engine: AsyncEngine) -> Self:
        # Not by the constructor, so that subclasses keep their own state.
        view = type(self).__new__(type(self))
        vars(view).update(vars(self))
        view._engine = engine
        return view

    def __copy__(self) -> Self:
        return self._with_engine(self._engine.view())

    async def execute(self, request: requests.Request[T]) -> T:
        """Run a request, such as `triverse.api.users.me()`, and return its result.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self.send(request)).data

    async def send(self, request: requests.Request[T]) -> responses.Response[T]:
        """Run a request, and return its result together with status, headers, number of attempts and time.

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        if getattr(request, "file", None) is not None:  # callers are not all type checked
            return await self._calls.send_file(request)
        return await self._engine.send(request)

    def balances(self, keys: Mapping[str, secret.AsyncKeySource]) -> async_balances.AsyncBalances:
        """Request the balances of many accounts, and yield each as its response arrives.

        At most `max_connections` requests are made at once. The error of one account does not affect the others.
        Breaking out of the loop cancels the pending requests when this object is garbage-collected. Use `async with`
        to cancel and wait at the end of the block.

        Args:
            keys: the key of each account under a name of your choice. It is read while the responses arrive.

        Raises:
            ConfigurationError: the client is closed, or `keys` is not a mapping.

        Example:
            ```python
            async for account in client.balances({"ours": "one-key", "theirs": "another-key"}):
                print(account.name, account.balance or account.error)
            ```
        """
        accounts = config.Accounts(keys)
        del keys  # otherwise a traceback that shows variables would show the keys
        self._engine.check_open()
        return async_balances.AsyncBalances(self._engine.balance_workers(self._account_balance, accounts.checked()))

    async def _account_balance(self, name: str, source: secret.AsyncKeySource) -> api_users.AccountBalance:
        try:
            key, policy = config.account_key(self._engine.policy, name, source)
            del source  # otherwise a traceback that shows variables would show the key
            view = self._with_engine(self._engine.for_account(key, policy))
            return api_users.AccountBalance(name, await view.execute(api_users.balance()))
        except TriverseError as error:
            return api_users.AccountBalance(name, error=error.with_traceback(None))

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, requests.Param] | None = None,
        json: requests.JSON = None,
        into: type[T],
    ) -> T: ...

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, requests.Param] | None = None,
        json: requests.JSON = None,
    ) -> object: ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, requests.Param] | None = None,
        json: requests.JSON = None,
        into: type[object] = object,
    ) -> object:
        """Reach an endpoint that this package does not model yet.

        Args:
            method: HTTP method. Only idempotent ones are retried after they may have reached the service.
            path: below the base URL, such as `/tasks/pricing/quote`.
            params: query parameters; those that are None are left out.
            json: JSON body.
            into: the type of the result: an attrs class or dataclass, `dict[str, float]`, `list[str]`, …

        Raises:
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self.send(requests.Request(method, path, into, params, json))).data

    def __repr__(self) -> str:
        if "_engine" not in vars(self):  # a traceback that shows variables needs a repr while the client is being built
            return super().__repr__()
        engine = self._engine
        return config.client_repr(self, engine.key, engine.transport.base_url, closed=engine.closed)

    def __getstate__(self) -> dict[str, object]:
        """Return the state of a pickle, which has the source of the key instead of the key, and no connections."""
        engine = self._engine
        return {
            **vars(self),
            "_engine": config.PickledEngine.of(engine.key, engine.policy, engine.settings, engine.user_client),
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._engine = async_engine.make_engine(*cast("config.PickledEngine", state["_engine"]).restore(), None)

    async def aclose(self) -> None:
        """Close the connections. Requests that are being made end first; closing twice is fine."""
        await self._engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
