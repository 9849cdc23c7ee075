from __future__ import annotations

import asyncio
import logging

import pytest
from support.pickles import repickled
from support.waits import (
    DONE,
    UUID_TEXT,
    Answer,
    Failure,
    Script,
    Wait,
    api_error,
    created,
    failure_of,
    found,
    state,
)

from triverse import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    ServiceUnavailableError,
    Task,
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TransportError,
)


def invalid() -> InvalidResponseError:
    return InvalidResponseError("the response body is not JSON", status_code=200)


TOLERATED: dict[str, Failure] = {
    "500": lambda: api_error(ServerError, 500),
    "502": lambda: api_error(ServerError, 502),
    "503": lambda: api_error(ServiceUnavailableError, 503),
    "504": lambda: api_error(ServerError, 504),
    "408": lambda: api_error(APIError, 408),
    "429": lambda: api_error(RateLimitError, 429),
    "a broken connection": lambda: ConnectionFailedError("the connection broke"),
    "a timeout": lambda: RequestTimeoutError("timed out"),
    "the client's deadline": lambda: DeadlineExceededError("the call's deadline ran out"),
}
FATAL: dict[str, Failure] = {
    "400": lambda: api_error(BadRequestError, 400),
    "401": lambda: api_error(AuthenticationError, 401),
    "404": lambda: api_error(NotFoundError, 404),
    "501": lambda: api_error(ServerError, 501),
    "an error of the user's hook": lambda: TransportError("a hook of your http_client raised an error"),
    "a wrong configuration": lambda: ConfigurationError("the api_key callable returned None"),
}


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("name", TOLERATED)
def test_errors_that_a_call_would_retry_do_not_end_a_wait(name: str, times: int) -> None:
    wait = Wait(Script(*[TOLERATED[name]] * times, found(DONE)))
    assert wait.run() == DONE
    assert len(wait.sent) == times + 1
    assert all(gap >= 1 for gap in wait.gaps())


@pytest.mark.parametrize("name", FATAL)
def test_any_other_error_ends_a_wait_and_has_the_task(name: str) -> None:
    error = failure_of(Wait(Script(found(state()), FATAL[name])))
    assert type(error) is type(FATAL[name]())
    assert error.task == state()
    assert str(error.task_uuid) == UUID_TEXT


def test_the_fourth_invalid_response_in_a_row_ends_the_wait() -> None:
    three = Script(*[invalid] * 3, found(state()), *[invalid] * 3, TOLERATED["500"], *[invalid] * 3, found(DONE))
    assert Wait(three).run() == DONE
    error = failure_of(Wait(Script(found(state()), invalid)))
    assert isinstance(error, InvalidResponseError)
    assert error.task == state()


@pytest.mark.parametrize(("seconds", "tolerated"), [(None, 3), (-1, 0), (0, 0), (2, 0), (3, 1), (30, 10)])
def test_a_new_task_may_be_invisible_for_some_seconds(seconds: float | None, tolerated: int) -> None:
    def polls_until_404_ends_the_wait() -> int:
        wait = Wait(Script(FATAL["404"]), jitter=lambda: 0.0)
        assert isinstance(failure_of(wait, task), NotFoundError)
        return len(wait.sent)

    task = created(read_after_write_deadline_seconds=seconds)
    assert polls_until_404_ends_the_wait() == tolerated + 1
    if tolerated:
        assert Wait(Script(FATAL["404"], found(DONE))).run(task).succeeded


FAILED = {"code": 5003, "message": "Mesh is empty.", "suggestion": "Use another image."}


@pytest.mark.parametrize(
    ("task", "kind", "text"),
    [
        (state("FAILED", error=FAILED), TaskFailedError, "failed: Mesh is empty. Use another image."),
        (state("FAILED", error="Out of memory"), TaskFailedError, "failed: Out of memory"),
        (state("FAILED"), TaskFailedError, "failed: the service gave no reason"),
        (state("FAILED", error={"trace": [1]}), TaskFailedError, 'failed: {"trace": [1]}'),
        (state("CANCELLED", error="by hand"), TaskCancelledError, "was cancelled: by hand"),
        (state("EXPIRED", completed_at="2026-06-01T08:15:44Z"), TaskError, "ended with the status 'EXPIRED'"),
    ],
)
def test_a_task_that_ends_without_a_result_is_an_error_with_the_reason(
    task: Task, kind: type[TaskError], text: str
) -> None:
    wait = Wait(Script(found(state()), found(task)))
    error = failure_of(wait)
    assert type(error) is kind
    assert text in str(error)
    assert error.task == task
    assert str(error.task_uuid) == UUID_TEXT
    assert wait.updates == [state(), task]
    assert str(repickled(error)) == str(error)


def test_an_unknown_status_is_waited_on_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    unknown = found(state("PREPARING"))
    assert Wait(Script(unknown, unknown, found(state("WARMING_UP")), unknown, found(DONE))).run() == DONE
    (record,) = caplog.records
    assert record.name == "triverse"
    assert record.levelno == logging.WARNING
    assert "'PREPARING'" in record.getMessage()


def test_a_wait_warns_once_of_a_field_that_is_wrong_in_each_response(caplog: pytest.LogCaptureFixture) -> None:
    wait = Wait(Script(found(DONE)))
    wait.run()
    decode = wait.calls[0].request.decode
    assert decode is not None
    for _ in range(3):
        decode({"task_uuid": UUID_TEXT, "status": "RUNNING", "progress": "half"}, "data")
    assert len(caplog.records) == 1


def test_on_update_is_called_with_the_first_state_and_each_changed_one() -> None:
    first, second = state("QUEUED"), state(progress=5)
    wait = Wait(Script(*map(found, (first, first, second, second, first, DONE))))
    wait.run(state())
    assert wait.updates == [first, second, first, DONE]


def test_an_error_of_on_update_ends_the_wait_and_is_not_changed() -> None:
    mistake = ZeroDivisionError("of mine")

    def fail(_task: Task) -> None:
        raise mistake

    with pytest.raises(ZeroDivisionError) as caught:
        Wait(Script(found(DONE))).run(on_update=fail)
    assert caught.value is mistake
    assert not hasattr(mistake, "__notes__")


def test_a_slow_on_update_delays_the_next_poll_but_adds_none() -> None:
    wait = Wait(Script(found(state()), found(state(progress=1)), found(DONE)))

    def sleep(_task: Task) -> None:
        wait.now += 10

    wait.run(on_update=sleep)
    assert wait.sent == [0, 10, 20]


def test_a_slow_on_update_may_use_up_the_timeout() -> None:
    wait = Wait(Script(found(state())))

    def sleep(_task: Task) -> None:
        wait.now += 100

    with pytest.raises(DeadlineExceededError):
        wait.run(on_update=sleep, timeout=50)
    assert wait.sent == [0]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, asyncio.CancelledError])
def test_an_interrupted_wait_notes_the_id_of_the_task(interrupt: type[BaseException]) -> None:
    def answer(_time: float) -> Answer:
        raise interrupt

    wait = Wait(answer)
    with pytest.raises(interrupt) as caught:
        wait.run()
    assert caught.value.__notes__ == [f"triverse: task {UUID_TEXT} goes on; wait for it again by this id"]


def test_a_wait_carries_over_what_only_the_creation_returned() -> None:
    wait = Wait(Script(found(DONE)))
    wait.run(created(cost_credits=42))
    decode = wait.calls[0].request.decode
    assert decode is not None
    task = decode({"task_uuid": UUID_TEXT, "status": "SUCCESS"}, "data")
    assert isinstance(task, Task)
    assert (task.cost_credits, task.client_order_id) == (42, "an-id")


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"task": "not-an-id"}, "task"),
        ({"task": None}, "task"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": False}, "timeout"),
        ({"timeout": "60"}, "timeout"),
        ({"poll_interval": 0.9}, "poll_interval"),
        ({"poll_interval": True}, "poll_interval"),
        ({"on_update": "print"}, "on_update"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_sent(options: dict[str, object], argument: str) -> None:
    wait = Wait(Script(found(DONE)))
    with pytest.raises(ConfigurationError, match=f"^{argument} "):
        wait.run(**options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # they are wrong on purpose
    assert not wait.sent
