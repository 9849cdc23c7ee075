"""All tasks of one account: in which order they run, and which creations are repetitions."""

from __future__ import annotations

import heapq
import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from threading import RLock
from typing import Final, overload
from uuid import UUID

from triverse.sandbox.environment import Environment
from triverse.sandbox.errors import InvalidFieldError, api_error
from triverse.sandbox.flows import Flow
from triverse.sandbox.ledger import Ledger
from triverse.sandbox.tasks import ENDED, NEXT_STAGE, SandboxTask

__all__ = ["AccountTasks"]

_WAITING: Final = frozenset({"PENDING", "QUEUED"})


class AccountTasks(Sequence[SandboxTask]):
    """The tasks of an account, the oldest first, as `account.tasks`.

    Attributes:
        environment: clock and settings.
        lock: held while tasks move.
    """

    def __init__(self, environment: Environment, ledger: Ledger) -> None:
        self.environment = environment
        self.lock: RLock = RLock()
        self._ledger = ledger
        self._all: list[SandboxTask] = []
        self._by_uuid: dict[UUID, SandboxTask] = {}
        self._unfinished: dict[UUID, SandboxTask] = {}
        # Entries of tasks that moved meanwhile stay in here, and are skipped: their `due` differs.
        self._agenda: list[tuple[float, int, SandboxTask]] = []
        self._count = 0
        self._blocked: deque[SandboxTask] = deque()
        self._ids: dict[str, SandboxTask | None] = {}
        self._recent: deque[tuple[float, str, SandboxTask]] = deque()

    @overload
    def __getitem__(self, index: int) -> SandboxTask: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SandboxTask]: ...
    def __getitem__(self, index: int | slice) -> SandboxTask | Sequence[SandboxTask]:
        return tuple(self._all)[index] if isinstance(index, slice) else self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[SandboxTask]:
        return iter(tuple(self._all))

    def __repr__(self) -> str:
        return repr(self._all)

    def find(self, uuid: UUID | str) -> SandboxTask | None:
        """Return the task with this id; None if the account has none."""
        try:
            return self._by_uuid.get(UUID(str(uuid)))
        except ValueError:
            return None

    def update(self) -> None:
        """Bring all tasks to their status at this time of the clock."""
        with self.lock:
            now = self.environment.clock()
            while self._agenda and self._agenda[0][0] <= now:
                due, _, task = heapq.heappop(self._agenda)
                if task.due == due:
                    self._let_move(task, due)
            self._start_blocked(now)

    def _let_move(self, task: SandboxTask, at: float) -> None:
        if task.stage == "QUEUED" and self._is_busy():
            self._blocked.append(task)
            return
        self.move(task, NEXT_STAGE.get(task.stage) or task.outcome(), at)

    def _is_busy(self) -> bool:
        workers = self.environment.settings.workers
        return workers is not None and self._number_in({"RUNNING"}) >= workers

    def _number_in(self, stages: set[str] | frozenset[str]) -> int:
        return sum(task.stage in stages for task in self._unfinished.values())

    def move(self, task: SandboxTask, stage: str, at: float) -> None:
        """Bring a task into this stage, and start one that waits if it leaves room."""
        with self.lock:
            task.enter(stage, at)
            if stage in ENDED:
                del self._unfinished[task.uuid]
                self._start_blocked(at)
            else:
                self._schedule(task)

    def _start_blocked(self, at: float) -> None:
        while self._blocked and not self._is_busy():
            task = self._blocked.popleft()
            if task.stage == "QUEUED":
                self.move(task, "RUNNING", at)

    def _schedule(self, task: SandboxTask) -> None:
        if not math.isinf(task.due):
            self._count += 1
            heapq.heappush(self._agenda, (task.due, self._count, task))

    def position(self, task: SandboxTask) -> int | None:
        """Return the task's place in the queue, from 0; None if it is not queued."""
        if task.stage != "QUEUED":
            return None
        with self.lock:
            return [other for other in self._unfinished.values() if other.stage == "QUEUED"].index(task)

    def repeated(self, flow: Flow, checked: Mapping[str, object]) -> SandboxTask | None:
        """Return the first task if this creation repeats it and the settings answer with it; None for a new one.

        Raises:
            ConflictError: code 2005: it repeats another one, and the settings refuse that.
            BadRequestError: code 1004: the id is known, and the settings refuse that in this way.
        """
        with self.lock:
            order_id, again = _order_id(self, flow, checked), checked.get("allow_duplicate") is True
            settings = self.environment.settings
            if order_id in self._ids and not (again and settings.allow_duplicate_passes_id):
                return self._known_id(order_id)
            if again or (checked.get("client_order_id") and not settings.duplicate_window_covers_ids):
                return None
            first = self._duplicate_of(_fingerprint(flow, checked))
            if first is not None and settings.duplicate == "conflict":
                raise api_error(2005, "Conflict: the request equals one of the last seconds.")
            return first

    def _known_id(self, order_id: str) -> SandboxTask:
        first = self._ids[order_id]
        if self.environment.settings.known_id == "bad_request":
            raise InvalidFieldError("body.client_order_id", f"{order_id!r} was used before")
        if first is None or self.environment.settings.known_id == "conflict":
            raise api_error(2005, f"Conflict: the client_order_id {order_id!r} was used before.")
        return first

    def _duplicate_of(self, fingerprint: str) -> SandboxTask | None:
        oldest = self.environment.clock() - self.environment.settings.duplicate_seconds
        while self._recent and self._recent[0][0] <= oldest:
            self._recent.popleft()
        return next((task for _, other, task in self._recent if other == fingerprint), None)

    def create(
        self, flow: Flow, checked: Mapping[str, object], cost: float, *, uuid: UUID | None = None
    ) -> SandboxTask:
        """Freeze the credits and create the task, with a new id unless one is given.

        Raises:
            RateLimitError: code 2000: the queue is full.
            InsufficientCreditsError: code 2010: fewer credits are available.
        """
        with self.lock:
            self.update()
            size = self.environment.settings.queue_size
            if size is not None and self._number_in(_WAITING) >= size:
                raise api_error(2000, "The task queue is full.")
            order_id = checked.get("client_order_id")
            task = SandboxTask(
                self,
                uuid=self.environment.new_uuid() if uuid is None else uuid,
                flow_name=flow.name,
                params={name: value for name, value in checked.items() if value is not None},
                hold=self._ledger.freeze(cost),
                client_order_id=order_id if isinstance(order_id, str) else None,
                now=self.environment.clock(),
            )
            self._add(task, flow, checked)
            return task

    def _add(self, task: SandboxTask, flow: Flow, checked: Mapping[str, object]) -> None:
        self._all.append(task)
        self._by_uuid[task.uuid] = self._unfinished[task.uuid] = task
        self._recent.append((task.created, _fingerprint(flow, checked), task))
        if (order_id := _order_id(self, flow, checked)) is not None:
            self._ids.setdefault(order_id, task)
        self._schedule(task)

    def keep_id(self, flow: Flow, order_id: object) -> None:
        """Remember the id of a creation that failed, if the settings keep it."""
        used = _order_id(self, flow, {"client_order_id": order_id})
        if used is not None and self.environment.settings.failed_creation == "keeps_id":
            with self.lock:
                self._ids.setdefault(used, None)


def _order_id(tasks: AccountTasks, flow: Flow, checked: Mapping[str, object]) -> str | None:
    """The id of a creation, if the settings honour it."""
    settings, order_id = tasks.environment.settings, checked.get("client_order_id")
    honoured = flow.name in settings.known_id_flows and settings.known_id != "ignored"
    return order_id if honoured and isinstance(order_id, str) else None


def _fingerprint(flow: Flow, checked: Mapping[str, object]) -> str:
    """Equal for creations that look the same: same flow and fields, whatever their ids."""
    fields = {name: value for name, value in checked.items() if name not in {"client_order_id", "allow_duplicate"}}
    return json.dumps([flow.name, fields], sort_keys=True)
