"""When to poll a task, in seconds since the start of the wait.

- Two polls are at most 3 s apart, or 5 % of the time waited if that is more, but never more than a minute. So a wait
  notices the end of a task with at most that delay, whatever `progress` shows. The constants are a little lower,
  because timers are late.
- `progress` is an estimate. If it rises, polls are placed so that one of them falls right after the predicted end. This
  only brings polls forward, and all of that together may cost at most 2.5 extra polls, since a wrong `progress` may
  predict an end at any time.
- Random jitter shortens a pause by up to 4 %, so that many waits that start together do not poll together.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, frozen

__all__ = ["FixedSchedule", "ProgressSchedule", "Schedule"]

_SHORT_WAIT_GAP: Final = 2.95
_GAP_SHARE: Final = 0.0495
_MAX_GAP: Final = 60.0
_MIN_GAP: Final = 1.01
_JITTER: Final = 0.04
_EXTRA_POLLS: Final = 2.5

# Polls are placed this long after the predicted end: progress is often rounded to whole percents.
_MIN_MARGIN: Final = 0.05
_MARGIN: Final = 0.25
_MARGIN_SHARE: Final = 0.005

_FULL_PROGRESS: Final = 100.0


@frozen
class FixedSchedule:
    """Polls that are always the same time apart."""

    interval: float

    def observe(self, seconds: float, progress: float | None) -> None:
        """Do nothing: progress does not matter."""

    def next_gap(self, sent: float, jitter: float) -> float:  # noqa: ARG002 - the interface of a schedule
        """Return the seconds from the poll that was sent then to the next one."""
        return self.interval


@frozen
class _Sample:
    seconds: float
    progress: float


@define
class ProgressSchedule:
    """Polls that are placed by the time waited and by the progress."""

    _first: _Sample | None = None
    _last: _Sample | None = None
    _extra_polls: float = _EXTRA_POLLS

    def observe(self, seconds: float, progress: float | None) -> None:
        """Take the progress of a response into account."""
        if progress is None:
            return
        sample = _Sample(seconds, progress)
        if self._first is None or (self._last is not None and progress < self._last.progress):
            self._first = sample
        self._last = sample

    def next_gap(self, sent: float, jitter: float) -> float:
        """Return the seconds from the poll that was sent then to the next one.

        Args:
            sent: when the last poll was sent.
            jitter: random, 0 up to 1.
        """
        longest = min(_MAX_GAP, max(_SHORT_WAIT_GAP, _GAP_SHARE * sent))
        end = self._predicted_end()
        if end is not None and end > sent:
            gap = _gap_towards(end, sent, longest)
            cost = 1 - gap / longest
            if cost <= self._extra_polls:
                self._extra_polls -= cost
                return gap
        return longest * (1 - _JITTER * jitter)

    def _predicted_end(self) -> float | None:
        first, last = self._first, self._last
        if first is None or last is None or last.progress <= first.progress:
            return None
        per_percent = (last.seconds - first.seconds) / (last.progress - first.progress)
        return last.seconds + (_FULL_PROGRESS - last.progress) * per_percent


def _gap_towards(end: float, sent: float, longest: float) -> float:
    """Divide the time until right after the end into equal gaps that are not longer than allowed."""
    earliest = end + _MIN_MARGIN - sent
    polls = math.ceil(earliest / longest)
    return max(_MIN_GAP, min(longest, (earliest + _MARGIN + _MARGIN_SHARE * end) / polls))


Schedule = FixedSchedule | ProgressSchedule
