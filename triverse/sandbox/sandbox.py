"""The sandbox itself: accounts, faults and a log around the endpoints. No I/O; clock and randomness are handed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from threading import RLock
from typing import Final

from attrs import frozen

import triverse
from triverse._extras import require_extra
from triverse.clients.lazy_modules import starlette_applications
from triverse.core.errors import ConfigurationError
from triverse.sandbox import assets, file_endpoints, site, storage, task_endpoints
from triverse.sandbox.accounts import Account, new_key
from triverse.sandbox.content import SeekableFile
from triverse.sandbox.environment import Environment, check_seconds
from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.fault_plan import Faults, MatchError
from triverse.sandbox.faults import Fault
from triverse.sandbox.http import SandboxRequest, SandboxResponse, failure
from triverse.sandbox.routes import respond
from triverse.sandbox.settings import SandboxSettings
from triverse.sandbox.tasks import SandboxTask

__all__ = ["LoggedCall", "Sandbox"]

# A sandbox that is left running does not fill the memory.
_MAX_LOG: Final = 10_000
_NO_RESPONSE: Final = SandboxResponse(503)


@frozen
class LoggedCall:
    """One entry of the request log.

    Attributes:
        request: the request, with keys redacted and without its body.
        response: what the sandbox answered.
        fault: the fault that the request met; None for none.
    """

    request: SandboxRequest
    response: SandboxResponse
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
        """HTTP status of the response."""
        return self.response.status


class Sandbox:
    """A local Triverse. Safe to share between threads and tasks.

    Args:
        seed: of ids and keys; the same seed gives the same ones.
        task_seconds: how long tasks take. None: they move only by hand.
        clock: a function that returns seconds; by default the system's monotonic clock.
        settings: what the documentation of the service leaves open.

    Attributes:
        faults: what is to go wrong.
        on_request: is called after each request with its entry of the log; None for nothing.

    Raises:
        ConfigurationError: not a number of seconds.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        task_seconds: float | None = 10.0,
        clock: Callable[[], float] | None = None,
        settings: SandboxSettings | None = None,
    ) -> None:
        self._environment = Environment(seed=seed, task_seconds=task_seconds, clock=clock, settings=settings)
        self._accounts: list[Account] = []
        self._by_key: dict[str | None, Account] = {}
        self._demo: Account | None = None
        self._log: deque[LoggedCall] = deque(maxlen=_MAX_LOG)
        self._lock = RLock()
        self.faults: Faults = Faults()
        self.on_request: Callable[[LoggedCall], object] | None = None

    @property
    def settings(self) -> SandboxSettings:
        """What the sandbox does where the documentation is silent. Assign others at any time."""
        return self._environment.settings

    @settings.setter
    def settings(self, settings: SandboxSettings) -> None:
        if not isinstance(settings, SandboxSettings):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
            raise ConfigurationError(f"expected triverse.sandbox.SandboxSettings, not {settings!r}")
        self._environment.settings = settings

    @property
    def task_seconds(self) -> float | None:
        """How long tasks take that are created from now on. None: they move only by hand."""
        return self._environment.task_seconds

    @task_seconds.setter
    def task_seconds(self, seconds: float | None) -> None:
        self._environment.task_seconds = check_seconds(seconds)

    def add_account(
        self,
        *,
        email: str = "someone@triverse.example",
        plan_name: str | None = None,
        api_credits: float = 0.0,
        web_credits: float = 0.0,
        key: str | None = None,
    ) -> Account:
        """Open an account; `.key` is its key.

        Args:
            email: its e-mail address.
            plan_name: its plan; None without one.
            api_credits: its available API credits.
            web_credits: its credits for the web platform.
            key: its key; by default a new one. A fixed key suits Docker compose, where another container needs it.

        Raises:
            ConfigurationError: not a number of credits, not a possible key, or the key of another account.
        """
        with self._lock:
            if key in self._by_key:
                raise ConfigurationError("another account of this sandbox has this key")
            account = Account(
                self._environment,
                email=email,
                plan_name=plan_name,
                api_credits=api_credits,
                web_credits=web_credits,
                key=key,
            )
            self._accounts.append(account)
            self._by_key[account.key] = account
            return account

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, the oldest first."""
        return tuple(self._accounts)

    @property
    def demo(self) -> Account:
        """An account to try things with, opened at the first use."""
        with self._lock:
            if self._demo is None:
                self._demo = self.add_account(
                    email="demo@triverse.example", plan_name="Studio", api_credits=1200.0, web_credits=300.0
                )
            return self._demo

    def rotate_key(self, account: Account) -> str:
        """Give the account a new key; the old one is no longer valid."""
        with self._lock:
            account.key, account.revoked = new_key(self._environment), False
            self._by_key[account.key] = account
            return account.key

    def revoke_key(self, account: Account) -> None:
        """Revoke the account's key; requests with it are answered by 401."""
        account.revoked = True

    def model_of(self, task: SandboxTask) -> bytes:
        """Return the bytes that a download of the task gives, whether it has ended or not."""
        return b"".join(file_endpoints.asset_content(task).chunks())

    def preview_of(self, task: SandboxTask) -> bytes:
        """Return the PNG that previews the task's result."""
        return assets.preview(task.uuid)

    @property
    def requests(self) -> tuple[LoggedCall, ...]:
        """The last requests, the oldest first. Those to `/sandbox/…` are not among them."""
        return tuple(self._log)

    def handle(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        body: bytes | SeekableFile = b"",
        *,
        origin: str | None = None,
    ) -> SandboxResponse:
        """Answer a request.

        Args:
            method: HTTP method.
            path: with or without `/api/v1`, and with the query if there is one.
            headers: pairs of name and value.
            body: of the request. A file is read from its start, and kept if it is an upload.
            origin: scheme, host and port by which the client reached the sandbox; by default by the header `Host`.
        """
        request = SandboxRequest.of(method, path, headers, body, origin)
        controlled = site.respond(self, request)
        if controlled is not None:
            return controlled
        call = self._call(request)
        self._log.append(call)
        if self.on_request is not None:
            self.on_request(call)
        return call.response

    @property
    def calls_functions(self) -> bool:
        """Whether requests are passed to functions of the user's."""
        return self.faults.have_functions or self.settings.moderation is not None or self.on_request is not None

    def _respond(self, request: SandboxRequest, account: Account | None) -> SandboxResponse:
        if request.path.startswith(storage.STORAGE_PATH):
            return storage.respond(self._environment, self.accounts, request)
        return respond(request, account)

    def _call(self, request: SandboxRequest) -> LoggedCall:
        logged, account = request.redacted(), self.find_account(request.key)
        try:
            fault = self.faults.take(request)
        except MatchError as error:
            return LoggedCall(logged, failure(ERROR_SPECS[501]._replace(message=str(error))))
        if fault is None:
            return LoggedCall(logged, self._respond(request, account))
        if fault.is_processed:
            return LoggedCall(logged, fault.apply(self._respond(request, account)), fault)
        if fault.is_error and fault.body is None and account is not None:
            task_endpoints.keep_id(account, request)
        return LoggedCall(logged, fault.apply(_NO_RESPONSE), fault)

    def find_account(self, key: str | None) -> Account | None:
        """Return the account with this key; None if there is none, or the key is revoked."""
        # There may be thousands of accounts, so all are searched only if someone has set a key by hand.
        account = self._by_key.get(key)
        if account is None or account.key != key:
            account = next((other for other in self.accounts if other.key == key), None)
        return None if account is None or account.revoked else account

    def client(self, account: Account | None = None) -> triverse.Triverse:
        """Return a client of the sandbox, in process, with the account's key; by default the demo account's."""
        from triverse.sandbox.mock_transport import client  # noqa: PLC0415 - loads httpx

        return client(self, account or self.demo)

    def async_client(self, account: Account | None = None) -> triverse.AsyncTriverse:
        """Return an async client of the sandbox, in process, with the account's key; by default the demo account's."""
        from triverse.sandbox.mock_transport import async_client  # noqa: PLC0415 - loads httpx

        return async_client(self, account or self.demo)

    def app(self) -> starlette_applications.Starlette:
        """Return an ASGI application, for any ASGI server or for `httpx.ASGITransport`. Needs `triverse[sandbox]`.

        Raises:
            ModuleNotFoundError: the extra is not installed.
        """
        with require_extra("sandbox"):
            from triverse.sandbox.asgi import application  # noqa: PLC0415 - needs the extra
        return application(self)

    def serve(self) -> AbstractContextManager[str]:
        """Serve on a free loopback port for as long as the `with` block runs. Needs `triverse[sandbox]`.

        Gives the base URL for clients, such as `http://127.0.0.1:40211/api/v1`.

        Raises:
            ModuleNotFoundError: the extra is not installed.
        """
        with require_extra("sandbox"):
            from triverse.sandbox.server import serve_in_thread  # noqa: PLC0415 - needs the extra
        return serve_in_thread(self)
