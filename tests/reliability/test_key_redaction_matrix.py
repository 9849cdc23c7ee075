"""No key is shown by any client or tool, after any fault."""

from __future__ import annotations

import asyncio
import io
import pickle
import warnings
from base64 import b64encode
from urllib.parse import quote

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clients import MODES, Mode, drive
from support.faults import FAULTS, Fault
from support.key_search import cancelled_traceback, occurrences, traceback_text
from support.server import BALANCE, Received, Server, answer, envelope, serving

from triverse import AccountBalance, AsyncTriverse, DeadlineExceededError, Triverse, TriverseError, UserBalance, api
from triverse.cli import main
from triverse.sandbox import Fault as SandboxFault
from triverse.sandbox import Sandbox

KEY = "tv/live+key=0123456789%abcdef"
each_mode = pytest.mark.parametrize("mode", MODES)

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60).map(lambda key: f"tv-{key}")
# Faults that end at once.
QUICK = [f for f in FAULTS if f.outcome is not None and f.script is not None and f.context is None and not f.hangs]


def echo(received: Received, status: int) -> bytes:
    """Return a response that repeats the key in its body, its headers and its reason phrase."""
    key = received.header("Authorization").removeprefix("Bearer ")
    body = {"code": 1001, "message": f"{key} {quote(key, safe='')}", "suggestion": b64encode(key.encode()).decode()}
    return answer(body, status, {"X-Echo": key, "X-Request-Id": key, "Retry-After": "0"}, reason=key)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS, fault=st.sampled_from(QUICK), mode=st.sampled_from(MODES))
def test_no_fault_shows_any_key(everything_logged: io.StringIO, key: str, fault: Fault, mode: Mode) -> None:
    assert fault.script is not None
    with warnings.catch_warnings(record=True) as warned, Server(fault.script) as server:
        warnings.simplefilter("always")
        with pytest.raises(TriverseError) as caught:
            drive(
                mode,
                lambda client: client.users.me(),
                lambda client: client.users.me(),
                api_key=key,
                base_url=server.url,
                max_retries=0,
            )
    warnings_shown = [str(warning.message) for warning in warned]
    assert not occurrences(key, traceback_text(caught.value) + everything_logged.getvalue() + "".join(warnings_shown))


# --- Other ways to call --------------------------------------------------------------------


def fails(client: Triverse) -> str:
    with pytest.raises(TriverseError) as caught:
        client.users.balance()
    return traceback_text(caught.value)


async def fails_too(client: AsyncTriverse) -> str:
    with pytest.raises(TriverseError) as caught:
        await client.users.balance()
    return traceback_text(caught.value)


@each_mode
def test_the_keys_of_a_callable_and_of_a_view_are_not_shown(mode: Mode, everything_logged: io.StringIO) -> None:
    def sync_way(client: Triverse) -> str:
        return fails(client) + fails(client.with_options(api_key=KEY)) + fails(client.with_options(max_retries=1))

    async def async_way(client: AsyncTriverse) -> str:
        async def key() -> str:
            await anyio.lowlevel.checkpoint()
            return KEY

        views = [client, client.with_options(api_key=KEY), client.with_options(api_key=key)]
        return "".join([await fails_too(view) for view in views])

    with serving(lambda received: echo(received, 403)) as server:
        shown = drive(mode, sync_way, async_way, api_key=lambda: KEY, base_url=server.url)
    assert not occurrences(KEY, shown + everything_logged.getvalue())


@each_mode
def test_a_shared_call_a_wait_and_balances_show_no_key(mode: Mode, everything_logged: io.StringIO) -> None:
    """The service fails. Log lines and the copies of a shared error are checked too."""

    def errors(accounts: list[AccountBalance]) -> str:
        return "".join(traceback_text(account.error) + repr(account) for account in accounts if account.error)

    def sync_way(client: Triverse) -> str:
        with pytest.raises(TriverseError) as shared:
            client.users.balance(max_age=60)
        with pytest.raises(DeadlineExceededError) as waited:
            client.users.wait_for_balance(1, interval=0.01, timeout=0.05)
        return (
            traceback_text(shared.value)
            + traceback_text(waited.value)
            + errors(list(client.balances({"ours": KEY, "bad": KEY + "\n"})))
        )

    async def async_way(client: AsyncTriverse) -> str:
        with pytest.raises(TriverseError) as shared:
            await client.users.balance(max_age=60)
        with pytest.raises(DeadlineExceededError) as waited:
            await client.users.wait_for_balance(1, interval=0.01, timeout=0.05)
        accounts = [account async for account in client.balances({"ours": KEY, "bad": KEY + "\n"})]
        return traceback_text(shared.value) + traceback_text(waited.value) + errors(accounts)

    with serving(lambda received: echo(received, 503)) as server:
        shown = drive(mode, sync_way, async_way, api_key=KEY, base_url=server.url, max_retries=0)
    assert "Polling failed" in everything_logged.getvalue()
    assert not occurrences(KEY, shown + everything_logged.getvalue())


@pytest.mark.anyio
async def test_a_cancellation_shows_no_key_in_any_frame() -> None:
    captured = await cancelled_traceback(KEY, lambda client: client.users.balance())
    assert "users_namespace.py" in captured
    assert not occurrences(KEY, captured)


def test_an_exception_group_in_asyncio_debug_mode_shows_no_key(everything_logged: io.StringIO) -> None:
    async def both(client: AsyncTriverse) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(client.users.balance())

    async def run() -> str:
        async with AsyncTriverse(KEY, base_url=server.url, max_retries=0) as client:
            with pytest.raises(ExceptionGroup) as caught:
                await both(client)
        return "".join(traceback_text(error) for error in caught.value.exceptions)

    with serving(lambda received: echo(received, 401)) as server:
        shown = asyncio.run(run(), debug=True)
    assert not occurrences(KEY, shown + everything_logged.getvalue())


@each_mode
def test_a_good_answer_can_be_pickled_and_holds_no_key(mode: Mode) -> None:
    def echoing(received: Received) -> bytes:
        return answer(envelope(BALANCE), headers={"X-Echo": received.header("Authorization")})

    with serving(echoing) as server:
        response = drive(
            mode,
            lambda client: client.send(api.users.balance()),
            lambda client: client.send(api.users.balance()),
            api_key=KEY,
            base_url=server.url,
        )
    assert response.data == UserBalance(100.0, 25.0)
    assert response.headers["x-echo"] == "Bearer [redacted]"
    assert not occurrences(KEY, repr(pickle.dumps(response)) + repr(pickle.loads(pickle.dumps(response))))  # noqa: S301 - our own bytes


# --- Through a proxy -----------------------------------------------------------------------------

PASSWORD = "pass/word+of=the%proxy"


def refused_by_proxy(received: Received) -> bytes:
    return answer(b"", 407, {"Proxy-Authenticate": "Basic", "X-Host": received.header("Host")})


@each_mode
def test_the_credentials_of_a_proxy_are_not_shown(
    mode: Mode, everything_logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy refuses the request, resets the connection, or cannot be reached."""
    credentials = b64encode(f"someone:{PASSWORD}".encode()).decode()
    base_url = "https://service.example/api/v1"
    shown = ""
    with Server() as gone:
        pass
    with serving(refused_by_proxy) as refusing, Server(lambda peer: peer.reset()) as breaking:
        for port in (refusing.port, breaking.port, gone.port):
            proxy = f"http://someone:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            shown += drive(mode, fails, fails_too, api_key=KEY, base_url=base_url, max_retries=0)
        heads = [received.header("Proxy-Authorization") for received in refusing.requests]
    assert heads == [f"Basic {credentials}"]
    assert not occurrences(PASSWORD, shown + everything_logged.getvalue())
    assert credentials not in shown + everything_logged.getvalue()
    assert not occurrences(KEY, shown + everything_logged.getvalue())


# --- In the tools --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 401, 503])
@pytest.mark.parametrize("command", [["me", "--debug"], ["balance", "--debug"], ["doctor"], ["doctor", "--debug"]])
def test_the_command_line_prints_no_key(
    command: list[str],
    status: int,
    everything_logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(lambda received: echo(received, status)) as server:
        monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        assert main(command) > 0
    shown = capsys.readouterr()
    assert shown.out + shown.err
    assert not occurrences(KEY, shown.out + shown.err + everything_logged.getvalue())


@each_mode
def test_the_sandbox_logs_no_key_where_it_is_served(mode: Mode, everything_logged: io.StringIO) -> None:
    sandbox = Sandbox()
    account = sandbox.add_account()
    account.key = KEY
    sandbox.faults.add(SandboxFault(status=503), times=1)
    with sandbox.serve() as base_url:
        drive(mode, fails, fails_too, api_key=KEY, base_url=base_url, max_retries=0)
        drive(
            mode,
            lambda client: client.users.me(),
            lambda client: client.users.me(),
            api_key=KEY,
            base_url=base_url,
        )
    assert [request.status for request in sandbox.requests] == [503, 200]
    assert not occurrences(KEY, repr(sandbox.requests) + repr(sandbox) + repr(account) + everything_logged.getvalue())
