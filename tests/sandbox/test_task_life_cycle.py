from __future__ import annotations

import threading

import pytest
from support.sandbox_api import Api

from triverse import ConfigurationError, ConflictError
from triverse.sandbox import Sandbox, SandboxSettings, SandboxTask


def test_a_task_moves_with_the_clock() -> None:
    api = Api(task_seconds=100)
    task = api.create()
    seen: list[tuple[float, str]] = []
    for seconds in (0, 1.9, 2, 4.9, 5, 99.9, 100, 1000):
        api.clock.now = 1000 + seconds
        seen.append((seconds, task.status))
    assert seen == [
        (0, "PENDING"),
        (1.9, "PENDING"),
        (2, "QUEUED"),
        (4.9, "QUEUED"),
        (5, "RUNNING"),
        (99.9, "RUNNING"),
        (100, "SUCCESS"),
        (1000, "SUCCESS"),
    ]


def test_the_times_of_a_task_are_those_of_its_changes_not_of_the_requests() -> None:
    api = Api(task_seconds=100)
    task = api.create()
    api.clock.now += 5000
    data = api.status(task)
    assert (data["created_at"], data["started_at"], data["completed_at"]) == (
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:05.000000Z",
        "2026-01-01T00:01:40.000000Z",
    )


def test_the_clock_of_the_system_is_the_default() -> None:
    sandbox = Sandbox(task_seconds=0)
    with sandbox.client() as client:
        created = client.request("POST", "/tasks/text-to-model", json={"prompt": "a red chair"})
    assert isinstance(created, dict)
    (task,) = sandbox.demo.tasks
    assert task.status == created["status"] == "SUCCESS"
    assert task.created_at == task.completed_at


def test_a_task_without_a_duration_moves_by_hand() -> None:
    api = Api(task_seconds=None)
    task = api.create()
    api.clock.now += 1e9
    seen = [task.status]
    for _ in range(3):
        task.advance()
        seen.append(task.status)
    assert seen == ["PENDING", "QUEUED", "RUNNING", "SUCCESS"]
    assert task.progress == 100


def test_a_task_that_was_moved_by_hand_takes_its_usual_time_from_there() -> None:
    api = Api(task_seconds=100)
    task = api.create()
    task.advance()
    task.advance()
    api.clock.now += 94.9
    assert task.status == "RUNNING"
    api.clock.now += 0.2
    assert task.status == "SUCCESS"


@pytest.mark.parametrize(
    ("end", "status", "balance"),
    [
        (SandboxTask.succeed, "SUCCESS", 900),
        (SandboxTask.fail, "FAILED", 1000),
        (SandboxTask.cancel, "CANCELLED", 1000),
    ],
)
@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_task_can_be_ended_from_any_state_and_only_once(end: object, status: str, balance: float, moves: int) -> None:
    assert callable(end)
    api = Api(task_seconds=None)
    task = api.create()
    for _ in range(moves):
        task.advance()
    assert api.account.balance.frozen == 100
    end(task)
    assert (task.status, task.ended, api.account.balance.balance, api.account.balance.frozen) == (
        status,
        True,
        balance,
        0,
    )
    for again in (task.succeed, task.fail, task.cancel, task.advance):
        with pytest.raises(ConflictError):
            again()
    assert api.account.spent == 1000 - balance


def cancel_third(task: SandboxTask) -> str:
    return "CANCELLED" if task.params["prompt"] == "third" else "SUCCESS"


def half(share: float) -> float:
    return share * 50


def test_the_outcome_of_tasks_that_end_by_themselves_is_a_setting() -> None:
    api = Api(SandboxSettings(outcome="FAILED"), task_seconds=10)
    first = api.create("first")
    api.clock.now += 10
    assert (first.status, api.account.balance.balance) == ("FAILED", 1000)
    api.settings(outcome=cancel_third)
    second, third = api.create("second"), api.create("third")
    api.clock.now += 10
    assert (second.status, third.status) == ("SUCCESS", "CANCELLED")


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ("object", {"code": 2008, "message": "No.", "suggestion": "Change the content."}),
        ("text", "No."),
        ("null", None),
    ],
)
def test_the_error_of_a_failed_task_has_the_shape_of_the_setting(shape: str, error: object) -> None:
    api = Api()
    api.settings(error_shape=shape)
    task = api.create()
    assert api.status(task)["error"] is None
    task.fail("No.", code=2008)
    assert api.status(task)["error"] == error
    assert task.error is not None


def test_a_task_that_fails_by_itself_has_a_documented_error() -> None:
    api = Api(SandboxSettings(outcome="FAILED"), task_seconds=0)
    assert api.status(api.create())["error"] == {
        "code": 5003,
        "message": "A backend service is down.",
        "suggestion": "Try again later.",
    }


@pytest.mark.parametrize(
    ("progress", "values"),
    [
        ("even", [0, 10, 50, 98, 100]),
        ("zero", [0, 0, 0, 0, 100]),
        ("stuck", [0, 30, 99, 99, 100]),
        ("absent", [None, None, None, None, None]),
        (half, [0, 5, 25, 49, 100]),
    ],
)
def test_progress_moves_by_the_setting(progress: object, values: list[float | None]) -> None:
    api = Api()
    api.settings(progress=progress)
    task = api.create()
    seen: list[float | None] = []
    for seconds in (0, 10, 50, 98, 100):
        api.clock.now = 1000 + seconds
        seen.append(api.status(task).get("progress"))
        assert task.progress == seen[-1]
    assert seen == values


def test_progress_may_jump_back() -> None:
    api = Api(SandboxSettings(progress="backwards"))
    task = api.create()
    seen: list[float] = []
    for seconds in range(100):
        api.clock.now = 1000 + seconds
        seen.append(api.status(task)["progress"])
    assert seen != sorted(seen)
    assert all(0 <= value <= 100 for value in seen)


def test_progress_of_a_task_that_moves_by_hand() -> None:
    api = Api(task_seconds=None)
    task = api.create()
    assert task.progress == 0
    task.advance()
    task.advance()
    assert task.progress == 50
    task.cancel()
    assert task.progress == 0


def test_an_unknown_status_is_shown_until_the_task_moves_on() -> None:
    api = Api()
    task = api.create()
    task.show_status("PREPARING")
    assert (api.status(task)["status"], api.status(task)["completed_at"]) == ("PREPARING", None)
    task.show_status("EXPIRED", ended=True)
    assert api.status(task)["status"] == "EXPIRED"
    assert api.status(task)["completed_at"] is not None
    task.advance()
    assert api.status(task)["status"] == "QUEUED"


def test_workers_limit_how_many_tasks_run_at_once() -> None:
    api = Api(SandboxSettings(workers=1), task_seconds=100)
    tasks = [api.create(f"number {number}") for number in range(3)]
    api.clock.now += 50
    assert [task.status for task in tasks] == ["RUNNING", "QUEUED", "QUEUED"]
    assert [api.status(task)["queue"]["position"] for task in tasks] == [None, 1, 2]
    api.clock.now += 60
    assert [task.status for task in tasks] == ["SUCCESS", "RUNNING", "QUEUED"]
    tasks[1].cancel()
    assert tasks[2].status == "RUNNING"
    api.clock.now += 1000
    assert tasks[2].status == "SUCCESS"


def test_a_task_that_waits_for_a_worker_may_be_moved_or_ended_by_hand() -> None:
    api = Api(SandboxSettings(workers=1), task_seconds=100)
    first, second, third = (api.create(f"number {number}") for number in range(3))
    api.clock.now += 50
    assert second.status == "QUEUED"
    second.cancel()
    first.succeed()
    assert third.status == "RUNNING"


def test_more_workers_start_what_waits() -> None:
    api = Api(SandboxSettings(workers=1), task_seconds=100)
    tasks = [api.create(f"number {number}") for number in range(3)]
    api.clock.now += 50
    assert tasks[2].status == "QUEUED"
    api.settings(workers=None)
    assert tasks[2].status == "RUNNING"


@pytest.mark.parametrize("base", [0, 1])
def test_a_queued_task_shows_its_position_and_an_estimate(base: int) -> None:
    api = Api(SandboxSettings(queue_base=base))
    task = api.create()
    nothing = {"is_queued": False, "position": None, "estimated_wait_seconds": None}
    assert api.status(task)["queue"] == nothing
    api.clock.now += 2
    assert api.status(task)["queue"] == {"is_queued": True, "position": base, "estimated_wait_seconds": 3}
    by_hand = Api(task_seconds=None)
    waiting = by_hand.create()
    waiting.advance()
    assert by_hand.status(waiting)["queue"]["estimated_wait_seconds"] is None


def test_the_duration_can_be_changed_for_later_tasks() -> None:
    api = Api(task_seconds=100)
    slow = api.create("slow")
    api.sandbox.task_seconds = 1
    assert api.sandbox.task_seconds == 1
    quick = api.create("quick")
    api.clock.now += 1
    assert (slow.status, quick.status) == ("PENDING", "SUCCESS")


@pytest.mark.parametrize("seconds", [-1, float("nan"), "10", True])
def test_a_duration_that_is_no_number_of_seconds_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="task_seconds"):
        Sandbox(task_seconds=seconds)
    with pytest.raises(ConfigurationError, match="task_seconds"):
        Sandbox().task_seconds = seconds


def test_the_tasks_of_an_account_are_a_sequence() -> None:
    api = Api()
    tasks = [api.create(f"number {number}") for number in range(3)]
    assert list(api.account.tasks) == tasks
    assert api.account.tasks[-1] is tasks[2]
    assert list(api.account.tasks[:2]) == tasks[:2]
    assert api.account.tasks.find(str(tasks[1].uuid)) is tasks[1]
    assert api.account.tasks.find("no id") is None
    assert str(tasks[0].uuid) in repr(api.account.tasks)


def test_tasks_created_by_many_threads_are_all_there() -> None:
    api = Api(task_seconds=0, api_credits=10_000)
    threads = [threading.Thread(target=api.create, args=(f"number {number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(api.account.tasks) == 20
    assert (api.account.balance.balance, api.account.spent) == (8000, 2000)
