"""Creations and ends of tasks in any order neither add nor lose credits."""

from __future__ import annotations

from typing import ClassVar
from unittest import TestCase
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from support.recording import Recorder

from triverse import ConflictError, InsufficientCreditsError, Request, Task, api
from triverse.sandbox import Sandbox, SandboxSettings, SandboxTask

tasks = api.tasks

URL = "https://files.example/helmet.png"

CREATIONS = st.one_of(
    st.builds(tasks.text_to_model, st.text("abc", min_size=3), texture_size=st.sampled_from([None, 1024, 4096])),
    st.builds(tasks.text_to_mesh, st.text("abc", min_size=3)),
    st.builds(tasks.image_to_model, st.just(URL), turbo=st.booleans()),
    st.builds(tasks.texture_model, image=st.just(URL), model=st.just(URL)),
    st.builds(tasks.model_preview_render, st.just(URL), image_count=st.integers(1, 10)),
)


class Credits(RuleBasedStateMachine):
    """An account whose tasks a client creates. They end in any order and in any status."""

    unfinished: Bundle[UUID] = Bundle("unfinished")
    finished: Bundle[UUID] = Bundle("finished")
    start: ClassVar[float] = 500.0

    def __init__(self) -> None:
        super().__init__()
        # Equal creations are intended here.
        self.sandbox = Sandbox(task_seconds=None, settings=SandboxSettings(duplicate_seconds=0))
        self.account = self.sandbox.add_account(api_credits=self.start)
        self.client = Recorder(self.sandbox, self.account).client(timeout=10.0)
        self.bought = 0.0
        self.spent = 0.0

    def sandbox_task(self, uuid: UUID) -> SandboxTask:
        found = self.account.tasks.find(uuid)
        assert found is not None
        return found

    @rule(target=unfinished, request=CREATIONS)
    def create(self, request: Request[Task]) -> UUID:
        quote = self.client.execute(tasks.quote(request))
        before = self.account.balance
        assert quote.available_credits == before.balance
        if not quote.affordable:
            with pytest.raises(InsufficientCreditsError) as refused:
                self.client.execute(request)
            assert not refused.value.task_may_exist
            assert self.account.balance == before
            self.account.top_up(1000)
            self.bought += 1000
        task = self.client.execute(request)
        assert task.cost_credits == quote.cost_credits
        return task.task_uuid

    @rule(target=unfinished, uuid=consumes(unfinished))
    def start_to_run(self, uuid: UUID) -> UUID:
        task = self.sandbox_task(uuid)
        while task.status != "RUNNING":
            task.advance()
        assert self.client.execute(tasks.get(uuid)).status == "RUNNING"
        return uuid

    @rule(target=finished, uuid=consumes(unfinished), status=st.sampled_from(["SUCCESS", "FAILED", "CANCELLED"]))
    def end(self, uuid: UUID, status: str) -> UUID:
        task = self.sandbox_task(uuid)
        {"SUCCESS": task.succeed, "FAILED": task.fail, "CANCELLED": task.cancel}[status]()
        self.spent += task.cost if status == "SUCCESS" else 0
        state = self.client.execute(tasks.get(uuid))
        assert state.status == status
        assert state.finished
        return uuid

    @rule(uuid=finished)
    def end_again(self, uuid: UUID) -> None:
        for end in (self.sandbox_task(uuid).succeed, self.sandbox_task(uuid).cancel):
            with pytest.raises(ConflictError):
                end()

    @invariant()
    def credits_are_conserved(self) -> None:
        balance = self.client.users.balance()
        assert balance == self.account.balance
        assert balance.total + self.account.spent == self.start + self.bought
        assert balance.frozen == sum(task.cost for task in self.account.tasks if task.completed_at is None)
        assert self.account.spent == self.spent

    def teardown(self) -> None:
        self.client.close()


TestCredits: type[TestCase] = Credits.TestCase
TestCredits.settings = settings(max_examples=50, stateful_step_count=30)  # type: ignore[attr-defined]  # set by Hypothesis
