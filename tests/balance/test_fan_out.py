from __future__ import annotations

import contextvars
import gc
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from support.blocking_server import BlockingServer
from support.fake_transport import BASE_URL, FakeApi
from support.server import Received, answer, serving
from support.tls import server_context, trust

from triverse import (
    AccountBalance,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    TransportError,
    Triverse,
    UserBalance,
)
from triverse.core.secret import KeySource
from triverse.transport.cancel import CancelToken


@pytest.fixture
def server() -> Generator[BlockingServer, None, None]:
    with BlockingServer.running() as server:
        yield server


@pytest.fixture
def client(server: BlockingServer) -> Generator[Triverse, None, None]:
    with Triverse("key-of-unknown", base_url=server.base_url, max_connections=8) as client:
        yield client


class Endless(Mapping[str, KeySource]):
    """An endless mapping of keys, which counts the keys that were read."""

    def __init__(self, prefix: str = "key-", size: int = 10**9) -> None:
        self.prefix, self.size, self.read = prefix, size, 0

    def __getitem__(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def __iter__(self) -> Iterator[str]:
        for number in range(self.size):
            self.read += 1
            yield f"{number:06}"

    def __len__(self) -> int:
        return self.size


def eventually(happened: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.002)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "triverse-balances"]


def test_every_account_is_yielded_once_with_its_own_balance() -> None:
    api = FakeApi({f"key-{number:06}": (float(number), 0.0) for number in range(500)})
    with api.client(max_connections=8) as client:
        answers = list(client.balances({str(number): f"key-{number:06}" for number in range(500)}))
    assert {account.name: account.balance for account in answers} == {
        str(number): UserBalance(number, 0) for number in range(500)
    }
    assert len(answers) == 500
    assert set(api.requests.values()) == {1}


def test_a_bad_key_is_the_error_of_its_own_account() -> None:
    def broken() -> str:
        raise ValueError

    api = FakeApi({"key-of-one": (1.0, 0.0)})
    keys: dict[str, KeySource] = {"good": "key-of-one", "called": lambda: "key-of-one"}
    bad: dict[str, KeySource] = {
        "unknown": "key-of-unknown",
        "empty": "",
        "broken": broken,
        "expired": lambda: "expired",
    }
    with api.client() as client:
        answers = {account.name: account for account in client.balances(keys | bad)}
    assert answers.pop("good") == AccountBalance("good", UserBalance(1, 0))
    assert answers.pop("called") == AccountBalance("called", UserBalance(1, 0))
    assert all(account.balance is None for account in answers.values())
    assert {name: type(account.error) for name, account in answers.items()} == {
        "unknown": AuthenticationError,
        "empty": ConfigurationError,
        "broken": ConfigurationError,
        "expired": AuthenticationError,
    }
    assert api.requests["expired"] == 2


def test_a_missing_key_is_not_replaced_by_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", "key-of-one")
    missing: str = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # callers are not all type checked
    with FakeApi().client() as client:
        (account,) = client.balances({"missing": missing})
    assert isinstance(account.error, ConfigurationError)


def test_no_accounts_give_no_results() -> None:
    with FakeApi().client() as client:
        assert list(client.balances({})) == []


def test_key_callables_run_in_the_callers_context() -> None:
    tenant = contextvars.ContextVar("tenant", default="key-of-unknown")
    api = FakeApi()
    with api.client() as client:
        tenant.set("key-of-one")
        (account,) = client.balances({"ours": tenant.get})
        (called,) = client.balances({"ours": lambda: tenant.get()})  # noqa: PLW0108 - resolved in the thread
    assert account.balance == called.balance == UserBalance(100, 0)


def test_at_most_max_connections_requests_are_made_at_once(server: BlockingServer, client: Triverse) -> None:
    answers = client.balances(Endless("hold-", 40))
    first = threading.Thread(target=lambda: next(answers), daemon=True)
    first.start()
    eventually(lambda: server.held == 8)
    time.sleep(0.02)
    assert server.held == 8
    server.release.set()
    first.join()
    assert len(list(answers)) == 39


def test_keys_are_read_only_a_little_ahead_of_the_loop(client: Triverse) -> None:
    keys = Endless()
    with closing(client.balances(keys)) as answers:
        for _ in range(20):
            next(answers)
        time.sleep(0.1)
        assert 20 <= keys.read <= 20 + 2 * 8 + 1


def test_leaving_the_loop_aborts_pending_requests_and_starts_no_more(server: BlockingServer, client: Triverse) -> None:
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(100)}
    for account in client.balances(keys):
        assert account.name == "quick"
        eventually(lambda: server.held == 8)
        break
    eventually(lambda: not workers())
    eventually(lambda: server.closed == 8)
    assert server.requests.total() == 9
    assert client.with_options(api_key="key-of-one").users.balance().balance == 1


def test_an_exception_in_the_loop_body_aborts_pending_requests(server: BlockingServer, client: Triverse) -> None:
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(100)}

    def iterate() -> None:
        for _ in client.balances(keys):
            eventually(lambda: server.held == 8)
            raise LookupError

    with pytest.raises(LookupError):
        iterate()
    gc.collect()
    eventually(lambda: not workers())
    eventually(lambda: server.closed == 8)


def test_leaving_the_loop_aborts_pending_requests_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, tmp_path)
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(20)}
    with (
        BlockingServer.running(tls=server_context()) as server,
        Triverse("key-of-unknown", base_url=server.base_url, max_connections=4) as client,
    ):
        with closing(client.balances(keys)) as answers:
            assert next(answers).balance == UserBalance(1, 0)
            eventually(lambda: server.held == 4)
        eventually(lambda: not workers())
        eventually(lambda: server.closed == 4)


def test_leaving_the_loop_ends_pauses_between_attempts(caplog: pytest.LogCaptureFixture) -> None:
    def busy(_: Received) -> bytes:
        return answer(b"", 503, {"Retry-After": "20"})

    with serving(busy) as busy_server, Triverse("key-of-unknown", base_url=busy_server.url) as client:
        answers = client.balances({"busy": "key-of-one", "empty": ""})
        assert next(answers).name == "empty"
        eventually(lambda: "WARNING" in [record.levelname for record in caplog.records])
        answers.close()
        eventually(lambda: not workers())
    assert len(busy_server.requests) == 1


def test_an_error_of_the_mapping_is_raised_after_the_results() -> None:
    class Broken(Endless):
        def __getitem__(self, name: str) -> str:
            if name == "000003":
                raise LookupError(name)
            return "key-of-one"

    with FakeApi().client() as client:
        answers = client.balances(Broken())
        assert [next(answers).balance for _ in range(3)] == [UserBalance(100, 0)] * 3
        with pytest.raises(LookupError):
            next(answers)
    eventually(lambda: not workers())


def test_closing_the_client_meanwhile_loses_no_account(client: Triverse) -> None:
    answers = client.balances(Endless(size=50))
    first = next(answers)
    client.close()
    rest = list(answers)
    assert first.balance == UserBalance(1, 0)
    assert len(rest) == 49
    assert any(isinstance(account.error, ConfigurationError) for account in rest)
    with pytest.raises(ConfigurationError):
        client.balances({})


def test_every_account_has_an_error_if_the_service_is_down() -> None:
    with Triverse("key-of-one", base_url=BASE_URL, max_retries=0) as client:
        answers = list(client.balances(Endless(size=20)))
    assert {type(account.error) for account in answers} == {ConnectionFailedError}
    assert len(answers) == 20


def test_errors_of_accounts_keep_no_frames_alive() -> None:
    with FakeApi().client() as client:
        (account,) = client.balances({"unknown": "key-of-unknown"})
    assert account.error is not None
    assert account.error.__traceback__ is None


def test_a_users_http_client_sends_nothing_more_after_the_loop() -> None:
    done = threading.Event()
    api = FakeApi({"key-of-one": (1.0, 0.0)}, hold=lambda: done.wait(5))
    with api.client(max_connections=4) as client:
        answers = client.balances({"empty": ""} | {str(number): "key-of-one" for number in range(50)})
        assert next(answers).name == "empty"
        eventually(lambda: api.requests.total() == 4)
        answers.close()
        done.set()
        eventually(lambda: not workers())
    assert api.requests.total() == 4


@pytest.mark.parametrize("wrong", [["key-of-one"], "key-of-one", None, 5])
def test_keys_that_are_no_mapping_are_a_configuration_error(wrong: Mapping[str, KeySource]) -> None:
    with FakeApi().client() as client, pytest.raises(ConfigurationError, match="mapping") as caught:
        client.balances(wrong)
    assert "key-of-one" not in str(caught.value)


def test_leaving_the_loop_early_logs_no_warnings(
    server: BlockingServer, client: Triverse, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(20)}
    with closing(client.balances(keys)) as answers:
        next(answers)
        eventually(lambda: server.held == 8)
    eventually(lambda: not workers())
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def allow_threads(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a system that can start only this many threads for a loop."""
    start_thread, started = threading.Thread.start, count()

    def start(thread: threading.Thread) -> None:
        if thread.name == "triverse-balances" and next(started) >= limit:
            raise RuntimeError("can't start new thread")
        start_thread(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.parametrize("limit", [1, 3])
def test_fewer_threads_than_wanted_fetch_all_balances(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeApi().client(max_connections=8) as client:
        allow_threads(limit, monkeypatch)
        assert len(list(client.balances({str(number): "key-of-one" for number in range(50)}))) == 50


def test_a_system_without_threads_is_a_transport_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with FakeApi().client() as client:
        allow_threads(0, monkeypatch)
        with pytest.raises(TransportError, match="could not start a thread"):
            list(client.balances({"one": "key-of-one"}))
        monkeypatch.setattr("_thread.start_new_thread", refuse)
        with pytest.raises(TransportError, match="could not start a thread"):
            list(client.balances({"one": "key-of-one"}))
        assert client.users.balance() == UserBalance(100, 0)


@pytest.mark.parametrize("goes_on", [True, False], ids=["continues", "leaves"])
def test_a_forked_child_cannot_continue_the_loop_but_can_leave_it(
    server: BlockingServer,
    client: Triverse,
    goes_on: bool,  # noqa: FBT001 - the values of a table
) -> None:
    answers = client.balances({"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(7)})
    assert next(answers).name == "quick"
    eventually(lambda: server.held == 7)
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = in_the_child(answers, goes_on=goes_on)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    server.release.set()
    assert [account.error for account in answers] == [None] * 7
    assert server.closed == 0


def in_the_child(answers: Generator[AccountBalance], *, goes_on: bool) -> int:
    if goes_on:
        with pytest.raises(ConfigurationError, match="forked child"):
            next(answers)
    answers.close()
    return 0


def test_an_interrupt_while_the_loop_is_left_ends_the_workers(
    client: Triverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, interrupts = CancelToken.cancel, iter([KeyboardInterrupt])

    def interrupted_once(token: CancelToken) -> None:
        for interrupt in interrupts:
            raise interrupt
        cancel(token)

    monkeypatch.setattr(CancelToken, "cancel", interrupted_once)
    answers = client.balances(Endless())
    next(answers)
    with pytest.raises(KeyboardInterrupt):
        answers.close()
    eventually(lambda: not workers())
