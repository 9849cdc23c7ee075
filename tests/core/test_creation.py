from __future__ import annotations

import asyncio
import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import Call, reply, unreachable

from triverse import ConfigurationError, ConflictError, InvalidResponseError, Request, Response, TriverseError
from triverse.core.attempt import AttemptFailed, FailureKind, Outcome
from triverse.core.creation import CreationRecord
from triverse.core.exchange import CallFlow, exchange
from triverse.core.options import Policy
from triverse.core.request import CLIENT_ORDER_ID, Creation
from triverse.core.runtime import Runtime

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
OTHER_TASK = "11111111-2222-4333-8444-555555555555"
BODY = {"prompt": "a helmet"}
CREATED = reply(answer={"code": 0, "message": "success", "data": {"task_uuid": TASK}})


def creation(**options: object) -> Request[object]:
    kind = Creation(**options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the tests pass the right types
    return Request("POST", "/tasks/text-to-model", object, json=BODY, creation=kind)


def order_ids(call: Call[object]) -> list[object]:
    bodies = [attempt.request.json for attempt in call.attempts]
    return [body.get(CLIENT_ORDER_ID) for body in bodies if isinstance(body, dict)]


def test_every_attempt_of_a_call_sends_the_same_generated_id() -> None:
    call = Call(creation(repeatable=True))
    response = call.response(reply(500), unreachable(), CREATED)
    assert order_ids(call) == [response.client_order_id] * 3
    assert response.client_order_id


def test_each_call_of_one_request_generates_an_id_of_its_own() -> None:
    numbers = itertools.count()
    runtime = Runtime(lambda: 0.0, lambda: 0.0, lambda: 0.0, lambda: f"id-{next(numbers)}")
    request = creation()
    sent = [next(exchange(request, Policy(), runtime)).request.client_order_id for _ in range(2)]
    assert sent == ["id-0", "id-1"]
    assert request.client_order_id is None


def test_the_callers_id_is_sent_as_it_is() -> None:
    call = Call(creation(client_order_id="mine-1"))
    assert call.response(CREATED).client_order_id == "mine-1"
    assert order_ids(call) == ["mine-1"]


def test_without_an_id_none_is_sent_and_none_is_reported() -> None:
    call = Call(creation(sends_id=False))
    error = call.error(reply(500))
    assert order_ids(call) == [None]
    assert (error.client_order_id, error.task_may_exist) == (None, True)
    assert "no client_order_id was sent" in str(error)


def attach(result: object, order_id: str | None) -> object:
    return result, order_id


def test_the_id_is_attached_to_the_result() -> None:
    call = Call(creation(client_order_id="mine", attach=attach))
    assert call.response(CREATED).data == ({"task_uuid": TASK}, "mine")


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_an_unrepeatable_creation_is_not_sent_again_if_a_task_may_exist(status: int) -> None:
    call = Call(creation())
    assert call.error(reply(status)).task_may_exist
    assert len(call.attempts) == 1


@pytest.mark.parametrize("first", [reply(429), unreachable(FailureKind.NOT_SENT)])
def test_a_creation_that_is_not_repeatable_is_sent_again_if_no_task_can_exist(first: Outcome) -> None:
    assert Call(creation()).response(first, CREATED).attempts == 2


def test_a_creation_is_sent_again_after_a_401_if_the_key_can_be_renewed() -> None:
    assert Call(creation(), Policy(refreshes_key=True)).response(reply(401), CREATED).attempts == 2


def test_a_first_conflict_names_its_likely_causes() -> None:
    error = Call(creation(repeatable=True)).error(reply(409, {"code": 2005, "suggestion": "Wait."}))
    assert isinstance(error, ConflictError)
    assert not error.task_may_exist
    assert all(cause in str(error) for cause in ("Wait.", "allow_duplicate=True", "client_order_id", "file"))


@pytest.mark.parametrize(
    "refusal",
    [
        reply(409),
        reply(400, {"message": "client_order_id exists"}),
        reply(400, {"message": "mine-1 exists"}),
        reply(400, {"message": "No.", "suggestion": "Use another client_order_id"}),
        reply(422, {"detail": [{"loc": ["body", "client_order_id"], "msg": "exists"}]}),
    ],
)
@pytest.mark.parametrize(
    "first", [unreachable(FailureKind.TIMEOUT), unreachable(FailureKind.NOT_SENT), reply(503), reply(429)]
)
def test_a_repeated_attempt_that_is_refused_may_have_created_the_task_before(first: Outcome, refusal: Outcome) -> None:
    error = Call(creation(client_order_id="mine-1", repeatable=True)).error(first, refusal)
    assert error.task_may_exist
    assert ". An earlier attempt may have created the task: look for client_order_id mine-1" in str(error)


def test_a_first_400_is_only_a_bad_request() -> None:
    error = Call(creation(client_order_id="mine-1")).error(reply(400, {"message": "client_order_id is odd"}))
    assert not error.task_may_exist
    where = "POST /tasks/text-to-model: HTTP 400"
    assert str(error) == f"client_order_id is odd ({where}). Correct the parameters of the call."


@pytest.mark.parametrize(
    "refusal", [reply(400, {"message": "Odd", "task_uuid": OTHER_TASK}), reply(403, {"message": "Not for mine-1"})]
)
def test_a_refusal_for_another_reason_has_no_note_on_earlier_attempts(refusal: Outcome) -> None:
    error = Call(creation(client_order_id="mine-1")).error(unreachable(FailureKind.NOT_SENT), refusal)
    assert not error.task_may_exist
    assert error.task_uuid is None
    assert str(error).endswith((". Correct the parameters of the call.", ". Use a key that is allowed to do this."))


def test_a_refused_key_after_a_lost_response_is_reported_with_the_task() -> None:
    call = Call(creation(client_order_id="mine-1", repeatable=True), Policy(key_source="api_key"))
    error = call.error(unreachable(FailureKind.TIMEOUT), reply(401))
    assert "Check the API key, which came from api_key. The task may exist: client_order_id mine-1." in str(error)


@pytest.mark.parametrize(
    ("suggestion", "sentence"), [("Wait", "Wait."), ("Wait!", "Wait!"), ("Is it X?", "Is it X?"), ("No X", "No X.")]
)
def test_the_services_suggestion_and_our_own_note_are_two_sentences(suggestion: str, sentence: str) -> None:
    error = Call(creation(sends_id=False)).error(reply(500, {"message": "Lost", "suggestion": suggestion}))
    where = "POST /tasks/text-to-model: HTTP 500"
    assert str(error) == f"Lost ({where}). {sentence} The task may exist: no client_order_id was sent."


def test_an_invalid_response_has_a_remedy_and_notes_a_possible_task() -> None:
    error = Call(creation(client_order_id="mine-1")).error(reply(body=b"<html>"))
    assert str(error).endswith("if it is correct, update triverse. The task may exist: client_order_id mine-1.")


@pytest.mark.parametrize(
    "body",
    [
        b'{"code": 0, "data": {"task_uuid": "%s", "status": 7' % TASK.encode(),
        b'{"code": 0, "data": {"task_uuid" : "%s"}, "message": 5, "code": null}' % TASK.encode(),
        b'{"code": 0, "data": {"task_uuid": "%s", "status": 7' % TASK.replace("-", "").encode(),
        b'{"code": 0, "data": {"taskId": "%s", "status": 7' % TASK.encode(),
        b'{"taskId": "%s", "task_uuid": "%s"}' % (OTHER_TASK.encode(), TASK.encode()),
    ],
)
def test_an_unreadable_body_still_gives_the_id_of_the_task(body: bytes) -> None:
    error = Call(creation(repeatable=True)).error(reply(body=body))
    assert isinstance(error, InvalidResponseError)
    assert (error.task_uuid, error.task_may_exist) == (UUID(TASK), True)


@pytest.mark.parametrize(("body", "encoding"), [(b"<html>", "identity"), (b"not gzip", "gzip")])
def test_a_body_without_an_id_gives_none(body: bytes, encoding: str) -> None:
    error = Call(creation()).error(reply(body=body, headers={"Content-Encoding": encoding}))
    assert (error.task_uuid, error.task_may_exist) == (None, True)


def started(request: Request[object]) -> CallFlow[object]:
    flow = exchange(request, Policy(), Runtime(lambda: 0.0, lambda: 0.0, lambda: 0.0, lambda: "generated"))
    next(flow)
    return flow


def test_an_error_of_a_later_attempt_names_the_task_of_an_earlier_one() -> None:
    flow = started(creation(repeatable=True))
    flow.send(unreachable(FailureKind.TIMEOUT))
    with pytest.raises(ConfigurationError) as caught:
        flow.throw(ConfigurationError("the key callable failed"))
    assert (caught.value.client_order_id, caught.value.task_may_exist) == ("generated", True)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, asyncio.CancelledError])
def test_a_ctrl_c_carries_one_note_with_the_id(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt) as caught:
        started(creation()).throw(interrupt())
    assert caught.value.__notes__ == ["triverse: a task may have been created (client_order_id generated)"]
    with pytest.raises(interrupt) as caught:
        started(creation(sends_id=False)).throw(interrupt())
    assert caught.value.__notes__ == ["triverse: a task may have been created (sent without a client_order_id)"]


def test_other_exceptions_and_a_flow_that_is_closed_carry_no_note() -> None:
    mistake = ZeroDivisionError("of mine")
    with pytest.raises(ZeroDivisionError):
        started(creation()).throw(mistake)
    assert not hasattr(mistake, "__notes__")
    started(creation()).close()


OUTCOMES = [
    *(unreachable(kind) for kind in FailureKind),
    *(reply(status) for status in (302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504)),
    reply(body=b"<html>"),
    reply(500, body=b"<html>"),
    CREATED,
]


def may_hide_a_task(outcome: Outcome) -> bool:
    if isinstance(outcome, AttemptFailed):
        return not outcome.failure.surely_not_sent
    return outcome.status not in {400, 401, 403, 404, 409, 429}


@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=12),
    repeatable=st.booleans(),
    renews=st.booleans(),
    retries=st.integers(0, 10),
)
def test_if_a_task_may_exist_no_error_denies_it(
    outcomes: list[Outcome],
    *,
    repeatable: bool,
    renews: bool,
    retries: int,
) -> None:
    call = Call(creation(repeatable=repeatable), Policy(max_retries=retries, refreshes_key=renews, deadline=None))
    end = call.run([*outcomes, *[reply(404)] * 20])
    seen = [*outcomes, *[reply(404)] * 20][: len(call.attempts)]
    assert len(set(order_ids(call))) == 1
    risky = [outcome for outcome in seen if may_hide_a_task(outcome)]
    if not repeatable:
        assert len(risky) <= 1
    if isinstance(end, TriverseError):
        assert end.task_may_exist >= bool(risky)
    else:
        assert isinstance(end, Response)
        assert end.client_order_id == order_ids(call)[0]


def test_a_creation_without_json_is_left_as_it_is() -> None:
    request: Request[object] = Request("POST", "/tasks/x", object, creation=Creation())
    assert request.with_client_order_id(lambda: "id") is request
    assert not CreationRecord(request).task_may_exist
