"""Credits are conserved over any sequence of tasks."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from support.sandbox_api import Api

from triverse.sandbox import Fault, SandboxTask

FLOWS = st.sampled_from(["text-to-model", "text-to-mesh", "image-generation"])


class CreditsOverAnySequenceOfTasks(RuleBasedStateMachine):
    """After any sequence of tasks, the available, frozen and spent credits add up to the bought ones."""

    tasks: Bundle[SandboxTask] = Bundle("tasks")

    @initialize(
        credits_at_first=st.integers(0, 1000),
        workers=st.none() | st.integers(1, 2),
        known_id=st.sampled_from(["first_task", "conflict", "bad_request", "ignored"]),
        failed_creation=st.sampled_from(["frees_id", "keeps_id"]),
        outcome=st.sampled_from(["SUCCESS", "FAILED", "CANCELLED"]),
    )
    def open_account(self, credits_at_first: int, **values: object) -> None:
        self.api = Api(api_credits=credits_at_first)
        self.api.settings(**values)
        self.bought = credits_at_first

    @rule(amount=st.integers(0, 300))
    def buy(self, amount: int) -> None:
        self.api.account.top_up(amount)
        self.bought += amount

    @rule(
        target=tasks,
        flow=FLOWS,
        order=st.none() | st.sampled_from(["a", "b", "c"]),
        prompt=st.sampled_from(["a red chair", "a blue chair"]),
        fault=st.sampled_from([None, Fault(status=503), Fault(status=503, processed=True), Fault.malformed_json()]),
    )
    def create(
        self, flow: str, order: str | None, prompt: str, fault: Fault | None
    ) -> SandboxTask | MultipleResults[SandboxTask]:
        before = len(self.api.account.tasks)
        if fault is not None:
            self.api.sandbox.faults.add(fault, times=1)
        self.api.http.post(f"/tasks/{flow}", json={"prompt": prompt, "client_order_id": order})
        after = len(self.api.account.tasks)
        assert after - before <= 1
        return self.api.account.tasks[-1] if after > before else multiple()

    @rule(seconds=st.floats(0, 80))
    def wait(self, seconds: float) -> None:
        self.api.clock.now += seconds

    @rule(task=consumes(tasks), move=st.sampled_from(["advance", "succeed", "fail", "cancel"]))
    def move(self, task: SandboxTask, move: str) -> None:
        if not task.ended:
            getattr(task, move)()

    @invariant()
    def credits_are_conserved(self) -> None:
        account = self.api.account
        running = sum(task.cost for task in account.tasks if not task.ended)
        spent = sum(task.cost for task in account.tasks if task.status == "SUCCESS")
        assert (account.balance.frozen, account.spent) == (running, spent)
        assert account.balance.balance == self.bought - running - spent >= 0


CreditsOverAnySequenceOfTasks.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestCreditsOverAnySequenceOfTasks = CreditsOverAnySequenceOfTasks.TestCase
