from __future__ import annotations

import contextvars
import gc
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from support.blocking_server import HeldService
from support.fake_transport import BASE_URL, Bank
from support.tls import server_context, trust

from triverse import (
    AccountBalance,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    Triverse,
    UserBalance,
)
from triverse.core.secret import KeySource
from triverse.transport.sync_backend import DeadlineBackend


@pytest.fixture
def service() -> Generator[HeldService, None, None]:
    with HeldService.running() as service:
        yield service


@pytest.fixture
def client(service: HeldService) -> Generator[Triverse, None, None]:
    with Triverse("key-of-nobody", base_url=service.base_url, max_connections=8) as client:
        yield client


class Endless(Mapping[str, KeySource]):
    """More keys than any list could hold, and a note of how many were read."""

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


def crew() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "triverse-balances"]


def test_every_account_comes_once_with_its_own_balance() -> None:
    bank = Bank({f"key-{number:06}": (float(number), 0.0) for number in range(500)})
    with bank.client(max_connections=8) as client:
        answers = list(client.balances({str(number): f"key-{number:06}" for number in range(500)}))
    assert {account.name: account.balance for account in answers} == {
        str(number): UserBalance(number, 0) for number in range(500)
    }
    assert len(answers) == 500
    assert set(bank.asked.values()) == {1}


def test_one_bad_key_is_one_error() -> None:
    def broken() -> str:
        raise ValueError

    bank = Bank({"key-of-one": (1.0, 0.0)})
    keys: dict[str, KeySource] = {"good": "key-of-one", "called": lambda: "key-of-one"}
    bad: dict[str, KeySource] = {
        "unknown": "key-of-nobody",
        "empty": "",
        "broken": broken,
        "expired": lambda: "expired",
    }
    with bank.client() as client:
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
    assert bank.asked["expired"] == 2


def test_an_account_without_a_key_never_gets_the_balance_of_the_environment_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", "key-of-one")
    missing: str = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # callers are not all type checked
    with Bank().client() as client:
        (account,) = client.balances({"missing": missing})
    assert isinstance(account.error, ConfigurationError)


def test_no_accounts_are_no_work() -> None:
    with Bank().client() as client:
        assert list(client.balances({})) == []


def test_callables_see_the_context_of_the_caller() -> None:
    tenant = contextvars.ContextVar("tenant", default="key-of-nobody")
    bank = Bank()
    with bank.client() as client:
        tenant.set("key-of-one")
        (account,) = client.balances({"ours": tenant.get})
        (called,) = client.balances({"ours": lambda: tenant.get()})  # noqa: PLW0108 - resolved in the thread
    assert account.balance == called.balance == UserBalance(100, 0)


def test_no_more_than_max_connections_are_asked_for_at_once_over_one_pool(
    service: HeldService, client: Triverse
) -> None:
    answers = client.balances(Endless("hold-", 40))
    first = threading.Thread(target=lambda: next(answers), daemon=True)
    first.start()
    eventually(lambda: service.held == 8)
    time.sleep(0.02)
    assert service.held == 8
    service.release.set()
    first.join()
    assert len(list(answers)) == 39


def test_keys_are_read_as_they_are_needed_and_answers_do_not_pile_up(client: Triverse) -> None:
    keys = Endless()
    with closing(client.balances(keys)) as answers:
        for _ in range(20):
            next(answers)
        time.sleep(0.1)
        assert 20 <= keys.read <= 20 + 2 * 8 + 1


def test_leaving_the_loop_cuts_off_what_is_under_way_and_begins_nothing_more(
    service: HeldService, client: Triverse
) -> None:
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(100)}
    for account in client.balances(keys):
        assert account.name == "quick"
        eventually(lambda: service.held == 8)
        break
    eventually(lambda: not crew())
    eventually(lambda: service.hung_up == 8)
    assert service.asked.total() == 9
    assert client.with_options(api_key="key-of-one").users.balance().balance == 1


def test_an_exception_in_the_body_of_the_loop_cuts_it_off_too(service: HeldService, client: Triverse) -> None:
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(100)}

    def iterate() -> None:
        for _ in client.balances(keys):
            eventually(lambda: service.held == 8)
            raise LookupError

    with pytest.raises(LookupError):
        iterate()
    gc.collect()
    eventually(lambda: not crew())
    eventually(lambda: service.hung_up == 8)


def test_leaving_the_loop_cuts_off_what_is_under_way_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, tmp_path)
    keys = {"quick": "key-quick"} | {str(number): f"hold-{number}" for number in range(20)}
    with (
        HeldService.running(tls=server_context()) as service,
        Triverse("key-of-nobody", base_url=service.base_url, max_connections=4) as client,
    ):
        with closing(client.balances(keys)) as answers:
            assert next(answers).balance == UserBalance(1, 0)
            eventually(lambda: service.held == 4)
        eventually(lambda: not crew())
        eventually(lambda: service.hung_up == 4)


def test_a_line_that_is_cut_while_it_connects_sends_nothing_afterwards() -> None:
    backend = DeadlineBackend()
    backend.abort()
    with pytest.raises(LookupError):
        backend.limit(5.0, LookupError)


def test_pauses_between_attempts_are_cut_off_too() -> None:
    with closing(Triverse("key-of-nobody", base_url=BASE_URL, max_retries=9)) as client:
        answers = client.balances({"nobody": "key-of-one"} | {"empty": ""})
        assert next(answers).name == "empty"
        answers.close()
    eventually(lambda: not crew())


def test_what_the_mapping_raises_comes_to_the_caller_after_the_answers() -> None:
    class Broken(Endless):
        def __getitem__(self, name: str) -> str:
            if name == "000003":
                raise LookupError(name)
            return "key-of-one"

    with Bank().client() as client:
        answers = client.balances(Broken())
        assert [next(answers).balance for _ in range(3)] == [UserBalance(100, 0)] * 3
        with pytest.raises(LookupError):
            next(answers)
    eventually(lambda: not crew())


def test_a_client_that_closes_meanwhile_gives_errors_and_loses_no_account(client: Triverse) -> None:
    answers = client.balances(Endless(size=50))
    first = next(answers)
    client.close()
    rest = list(answers)
    assert first.balance == UserBalance(1, 0)
    assert len(rest) == 49
    assert any(isinstance(account.error, ConfigurationError) for account in rest)
    with pytest.raises(ConfigurationError):
        client.balances({})


def test_nobody_answers_and_every_account_has_its_error() -> None:
    with Triverse("key-of-one", base_url=BASE_URL, max_retries=0) as client:
        answers = list(client.balances(Endless(size=20)))
    assert {type(account.error) for account in answers} == {ConnectionFailedError}
    assert len(answers) == 20


def test_errors_that_are_values_keep_no_frames_alive() -> None:
    with Bank().client() as client:
        (account,) = client.balances({"unknown": "key-of-nobody"})
    assert account.error is not None
    assert account.error.__traceback__ is None


def test_an_http_client_of_the_user_s_is_not_cut_but_sends_nothing_more() -> None:
    done = threading.Event()
    bank = Bank({"key-of-one": (1.0, 0.0)}, hold=lambda: done.wait(5))
    with bank.client(max_connections=4) as client:
        answers = client.balances({"empty": ""} | {str(number): "key-of-one" for number in range(50)})
        assert next(answers).name == "empty"
        eventually(lambda: bank.asked.total() == 4)
        answers.close()
        done.set()
        eventually(lambda: not crew())
    assert bank.asked.total() == 4
