"""Tasks that start, succeed and fail, so that balances move like those of a busy account."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final

from attrs import define

from triverse.sandbox.accounts import Account
from triverse.sandbox.ledger import Hold

__all__ = ["Activity"]

_COSTS: Final = (5.0, 10.0, 20.0, 40.0)
_LONGEST: Final = 8
_TOP_UP: Final = 500.0


@define
class _Task:
    hold: Hold
    ticks_left: int


class Activity:
    """Holds that begin and end in some accounts. It moves by ticks, and has no clock.

    Args:
        accounts: whose credits move.
        seed: of the randomness; the same seed gives the same sequence.
    """

    def __init__(self, accounts: Sequence[Account], *, seed: int = 0) -> None:
        self._accounts = tuple(accounts)
        self._random = Random(seed)  # noqa: S311 - nothing secret depends on it
        self._tasks: list[_Task] = []

    def tick(self) -> None:
        """Continue, end and start tasks."""
        for task in self._tasks:
            task.ticks_left -= 1
        for task in [task for task in self._tasks if not task.ticks_left]:
            self._tasks.remove(task)
            self._end(task.hold)
        for account in self._accounts:
            if self._random.random() < 0.5:  # noqa: PLR2004 - every other tick
                self._start(account)

    def _start(self, account: Account) -> None:
        cost = self._random.choice(_COSTS)
        if not account.balance.covers(cost):
            account.top_up(_TOP_UP)
        self._tasks.append(_Task(account.freeze(cost), self._random.randint(1, _LONGEST)))

    def _end(self, hold: Hold) -> None:
        self._random.choices([hold.succeed, hold.fail, hold.cancel], weights=[8, 1, 1])[0]()

    @contextmanager
    def running(self, interval: float = 1.0) -> Generator[None]:
        """Tick now, and then in a thread once an interval (seconds), for as long as the `with` block runs."""
        self.tick()
        ended = threading.Event()

        def keep_ticking() -> None:
            while not ended.wait(interval):
                self.tick()

        thread = threading.Thread(target=keep_ticking, name="triverse-sandbox-activity", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
