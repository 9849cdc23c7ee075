"""A call that creates a task, against a service that loses responses and answers in every documented way.

There are 500 random orders of faults for each setting of the sandbox and for each client. `check()` has the assertions.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeAlias, TypedDict

import pytest
from attrs import frozen
from support.clients import MODES, Mode, run_async
from support.recording import Recorder, no_backoff

from triverse import InsufficientCreditsError, Request, Response, Task, TriverseError, api
from triverse.sandbox import Fault, Sandbox, SandboxSettings

ORDERS = 500
CREDITS = 1e9

# Faults before which the service certainly did not create a task, and the client knows it.
HARMLESS = {
    "refused": Fault.refused(),
    "429": Fault(status=429),
    "409": Fault(status=409),
    "400": Fault(status=400),
    "403": Fault(status=403),
    "no credits": Fault(code=2010),
    "401": Fault(status=401),
}
# Faults that look the same whether the service created a task or not.
AMBIGUOUS = {
    "reset before the work": Fault.reset(),
    "reset after the work": Fault.reset(processed=True),
    "silent before the work": Fault.silent(),
    "silent after the work": Fault.silent(processed=True),
    "cut off": Fault.truncated(),
    "reset in the body": Fault.truncated(reset=True),
    "malformed": Fault.malformed_json(),
    "wrong types": Fault.wrong_types(),
    **{
        f"{status} {'after' if processed else 'before'} the work": Fault(status=status, processed=processed)
        for status in (408, 500, 502, 503, 504)
        for processed in (True, False)
    },
    **{f"HTML {status} after the work": Fault.html(status) for status in (200, 502)},
    "HTML before the work": Fault(status=502, body="<html>", content_type="text/html", processed=False),
    "a redirect": Fault.redirect("https://elsewhere.example/"),
}
FAULTS = HARMLESS | AMBIGUOUS
KNOWN_IDS = ["first_task", "conflict", "bad_request", "ignored"]
FAILED_CREATIONS = ["frees_id", "keeps_id"]
SETTINGS = [
    SandboxSettings(known_id=known, failed_creation=failed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of these literals
    for known, failed in itertools.product(KNOWN_IDS, FAILED_CREATIONS)
]


@frozen
class Order:
    """One call, and the faults of its attempts."""

    names: list[str]
    flow: str
    max_retries: int
    renews_key: bool
    client_order_id: str | bool | None
    allow_duplicate: bool | None
    number: int

    @classmethod
    def of(cls, number: int) -> Order:
        draw = random.Random(number)  # noqa: S311 - not for secrets
        return cls(
            names=draw.choices(list(FAULTS), k=draw.randrange(6)),
            flow=draw.choice(["text-to-model", "text-to-model", "text-to-mesh"]),
            max_retries=draw.randrange(6),
            renews_key=draw.random() < 0.3,
            client_order_id=draw.choice([None, None, None, f"order-{number}", False]),
            allow_duplicate=draw.choice([None, None, None, False, True]),
            number=number,
        )

    @property
    def request(self) -> Request[Task]:
        options = {"client_order_id": self.client_order_id, "allow_duplicate": self.allow_duplicate}
        # All differ, so that the sandbox's window for duplicates has no effect.
        return api.tasks.create(self.flow, {"prompt": f"helmet number {self.number}"}, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of several types

    @property
    def may_be_repeated(self) -> bool:
        return self.flow == "text-to-model" and self.client_order_id is not False and not self.allow_duplicate


Outcome: TypeAlias = Response[Task] | TriverseError


class Options(TypedDict):
    """The options of a view of a client."""

    api_key: str | Callable[[], str]
    max_retries: int


def check(order: Order, outcome: Outcome, recorder: Recorder, tasks_before: int, settings: SandboxSettings) -> None:
    ids = {body.get("client_order_id") for body in recorder.bodies}
    created = list(recorder.account.tasks)[tasks_before:]
    met = order.names[: len(recorder.bodies)]
    assert len(ids) == 1
    (order_id,) = ids
    assert outcome.client_order_id == order_id
    assert (order_id is None) is (order.client_order_id is False)
    if order.may_be_repeated and settings.known_id != "ignored":
        assert len(created) <= 1
    if not order.may_be_repeated:
        attempts_that_may_have_created = len(recorder.bodies) - sum(name in HARMLESS for name in met)
        assert attempts_that_may_have_created <= 1
        assert len(created) <= 1
    if isinstance(outcome, Response):
        assert outcome.data.task_uuid in {task.uuid for task in created}
        assert outcome.data.client_order_id == order_id
        return
    assert outcome.task_may_exist or not created
    if all(name in HARMLESS for name in met):
        assert outcome.task_may_exist is (met[-1:] == ["409"] and len(met) > 1)
    if outcome.task_may_exist and order_id is not None:
        assert str(order_id) in str(outcome)
    if outcome.task_uuid is not None:
        assert outcome.task_uuid in {task.uuid for task in created}


def plan(sandbox: Sandbox, order: Order) -> None:
    sandbox.faults.clear()
    for name in order.names:
        sandbox.faults.add(FAULTS[name], times=1)


@pytest.fixture(autouse=True)
def _no_backoff() -> Generator[None]:
    with no_backoff():
        yield


def orders(recorder: Recorder) -> Generator[tuple[Order, Options, int]]:
    for order in map(Order.of, range(ORDERS)):
        recorder.bodies.clear()
        plan(recorder.sandbox, order)
        key = (lambda: recorder.account.key) if order.renews_key else recorder.account.key
        yield order, {"api_key": key, "max_retries": order.max_retries}, len(recorder.account.tasks)


def run_sync(recorder: Recorder, settings: SandboxSettings) -> None:
    with recorder.client() as client:
        for order, options, before in orders(recorder):
            try:
                outcome: Outcome = client.with_options(**options).send(order.request)
            except TriverseError as error:
                outcome = error
            check(order, outcome, recorder, before, settings)


async def run_async_orders(recorder: Recorder, settings: SandboxSettings) -> None:
    async with recorder.async_client() as client:
        for order, options, before in orders(recorder):
            try:
                outcome: Outcome = await client.with_options(**options).send(order.request)
            except TriverseError as error:
                outcome = error
            check(order, outcome, recorder, before, settings)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.known_id}, {s.failed_creation}")
def test_no_order_of_faults_pays_twice(mode: Mode, settings: SandboxSettings) -> None:
    sandbox = Sandbox(task_seconds=None, settings=settings)
    account = sandbox.add_account(api_credits=CREDITS)
    recorder = Recorder(sandbox, account)
    if mode == "sync":
        run_sync(recorder, settings)
    else:
        run_async(mode, partial(run_async_orders, recorder, settings))
    # One freeze for each task, and nothing else.
    assert account.balance.frozen == sum(task.cost for task in account.tasks)
    assert len(account.tasks) > ORDERS / 4


def test_a_new_call_gets_a_new_id_and_creates_another_task() -> None:
    sandbox = Sandbox()
    account = sandbox.add_account(api_credits=CREDITS)
    recorder = Recorder(sandbox, account)
    request = api.tasks.text_to_model("a brass helmet")
    with recorder.client() as client:
        first, second = client.send(request), client.send(request)
    assert first.client_order_id != second.client_order_id
    assert first.data.task_uuid != second.data.task_uuid
    assert len(account.tasks) == 2


def test_missing_credits_create_nothing() -> None:
    sandbox = Sandbox()
    recorder = Recorder(sandbox, sandbox.add_account(api_credits=1))
    with recorder.client() as client, pytest.raises(InsufficientCreditsError) as caught:
        client.send(api.tasks.text_to_model("a brass helmet"))
    assert not caught.value.task_may_exist
    assert caught.value.client_order_id == recorder.bodies[0]["client_order_id"]
