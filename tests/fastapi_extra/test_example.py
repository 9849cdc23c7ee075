"""The example application, end to end: a client, uvicorn on one port, the sandbox on another."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import anyio
import httpx
import pytest

from triverse.sandbox import Account, Fault, Sandbox

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PATIENCE = 60.0


class Studio:
    """The running application."""

    def __init__(self, process: subprocess.Popen[str], log: list[str], url: str) -> None:
        self.process = process
        self.log = log
        self.http = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def ask(self, path: str, customer: Account | None = None, method: str = "GET") -> httpx.Response:
        headers = {} if customer is None else {"Authorization": f"Bearer {customer.key}"}
        return self.http.request(method, path, headers=headers)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running(base_url: str, key: str | None) -> Generator[Studio, None, None]:
    """Start the application on a free port, and stop it in the end."""
    command = [sys.executable, "-m", "uvicorn", "studio:app", "--app-dir", str(EXAMPLES), "--port", "0"]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = {**os.environ, "TRIVERSE_BASE_URL": base_url, "TRIVERSE_API_KEY": key or "", "PYTHONPATH": path}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own example
        assert process.stderr is not None
        log: list[str] = []
        url = next(found[1] for line in kept(process.stderr, log) if (found := re.search(r"running on (\S+)", line)))
        rest = threading.Thread(target=log.extend, args=[process.stderr])
        rest.start()
        studio = Studio(process, log, url)
        try:
            yield studio
        finally:
            studio.stop()
            process.wait(PATIENCE)
            rest.join(PATIENCE)
            studio.http.close()


def kept(lines: IO[str], log: list[str]) -> Iterator[str]:
    for line in lines:
        log.append(line)
        yield line


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture(scope="module")
def served(sandbox: Sandbox) -> Iterator[Studio]:
    with sandbox.serve() as base_url, running(base_url, sandbox.demo.key) as studio:
        yield studio


def test_customers_see_their_own_account_and_the_office_sees_the_studios(served: Studio, sandbox: Sandbox) -> None:
    ada = sandbox.add_account(email="ada@example.com", api_credits=40)
    bob = sandbox.add_account(email="bob@example.com", api_credits=5)
    assert served.ask("/customers/me", ada).json()["email"] == "ada@example.com"
    assert served.ask("/customers/me", bob).json()["email"] == "bob@example.com"
    assert served.ask("/customers/me/credits", ada).json() == {"balance": 40.0, "frozen": 0.0}
    assert served.ask("/office/status").json()["account"]["email"] == sandbox.demo.email


def test_an_order_is_accepted_if_the_credits_cover_it(served: Studio, sandbox: Sandbox) -> None:
    ada = sandbox.add_account(email="ada@example.com", api_credits=30)
    bob = sandbox.add_account(api_credits=29)
    taken = served.ask("/customers/me/orders?title=Boat", ada, "POST")
    assert taken.status_code == 201
    assert taken.json()["customer"]["id"] == str(ada.id)
    assert taken.json()["credits_before"] == {"balance": 30.0, "frozen": 0.0}
    assert served.ask("/customers/me/orders?title=Boat", bob, "POST").status_code == 402


def test_without_a_good_key_there_is_a_challenge(served: Studio) -> None:
    stranger = Sandbox(seed=9).add_account()
    assert served.ask("/customers/me").headers["www-authenticate"] == "Bearer"
    refused = served.ask("/customers/me", stranger)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert stranger.key is not None
    assert stranger.key not in refused.text + "".join(served.log)


def test_faults_come_and_go_while_it_runs(served: Studio, sandbox: Sandbox) -> None:
    ada = sandbox.add_account(api_credits=40)
    assert served.ask("/customers/me", ada).status_code == 200
    sandbox.faults.add(Fault(status=503, retry_after=99))
    down = served.ask("/customers/me", ada)
    assert (down.status_code, down.headers["retry-after"]) == (503, "99")
    assert served.ask("/health").json() is True
    sandbox.faults.clear()
    sandbox.faults.add(Fault(status=429, retry_after=98))
    assert served.ask("/customers/me", ada).status_code == 429
    sandbox.faults.clear()
    sandbox.faults.add(Fault.html(status=200))
    assert served.ask("/customers/me", ada).status_code == 502
    sandbox.faults.clear()
    assert served.ask("/customers/me", ada).status_code == 200


def test_a_transient_fault_is_retried_and_the_customer_sees_no_error(served: Studio, sandbox: Sandbox) -> None:
    ada = sandbox.add_account(api_credits=40)
    sandbox.faults.add(Fault(status=503, retry_after=0), times=1)
    assert served.ask("/customers/me", ada).status_code == 200


def test_two_hundred_requests_of_fifty_customers_at_once_each_get_their_own(served: Studio, sandbox: Sandbox) -> None:
    customers = {sandbox.add_account(api_credits=number): f"{number}.0" for number in range(50)}
    mixed_up: list[str] = []

    async def ask(http: httpx.AsyncClient, path: str, customer: Account) -> None:
        response = await http.get(path, headers={"Authorization": f"Bearer {customer.key}"})
        if f'balance":{customers[customer]},' not in response.text:
            mixed_up.append(response.text)

    async def ask_all() -> None:
        client = httpx.AsyncClient(base_url=served.http.base_url, timeout=PATIENCE, trust_env=False)
        async with client as http, anyio.create_task_group() as tasks:
            for path in ("/customers/me", "/customers/me/credits") * 2:
                for customer in customers:
                    tasks.start_soon(ask, http, path, customer)

    anyio.run(ask_all)
    assert mixed_up == []


def test_the_office_does_not_ask_the_service_for_each_screen(served: Studio, sandbox: Sandbox) -> None:
    before = len([line for line in sandbox.requests if line.path == "/users/balance"])
    with ThreadPoolExecutor(20) as screens:
        answers = list(screens.map(served.ask, ["/office/status"] * 40))
    asked = len([line for line in sandbox.requests if line.path == "/users/balance"]) - before
    assert {answer.status_code for answer in answers} == {200}
    assert asked < 20


def test_requests_in_flight_are_answered_before_it_shuts_down() -> None:
    sandbox = Sandbox()
    ada = sandbox.add_account(email="ada@example.com", api_credits=40)
    sandbox.faults.add(Fault(latency=1.5))
    with sandbox.serve() as base_url, running(base_url, sandbox.demo.key) as studio, ThreadPoolExecutor(8) as customers:
        answers = [customers.submit(studio.ask, "/customers/me", ada) for _ in range(8)]
        until = time.monotonic() + PATIENCE
        while len(sandbox.requests) < 8 and time.monotonic() < until:
            time.sleep(0.01)
        studio.stop()
        assert [answer.result().json()["email"] for answer in answers] == ["ada@example.com"] * 8
        studio.process.wait(PATIENCE)
    assert "Application shutdown complete" in "".join(studio.log)
    assert "Traceback" not in "".join(studio.log)
