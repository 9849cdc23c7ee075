"""Which faults are planned, and which request meets which."""

from __future__ import annotations

import inspect
import logging
import math
import re
from collections.abc import Callable
from threading import Lock, local
from typing import Final, TypeAlias

from attrs import define, field

from triverse.core.errors import ConfigurationError
from triverse.sandbox.fault_checks import problems
from triverse.sandbox.faults import Fault
from triverse.sandbox.http import SandboxRequest

__all__ = ["Faults", "Match", "MatchError"]

Match: TypeAlias = str | Callable[[SandboxRequest], bool]
"""Which requests: a path, or a function that is called with each request."""

_PATTERN: Final = re.compile(r"(?:([A-Z]+) +)?(/[^\s?#]*)")
_PLACEHOLDER: Final = re.compile(r"\\{(\w+)\\}")
_UUID: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SEGMENTS: Final = {"task_uuid": _UUID, "flow_name": f"(?!{_UUID}$)[^/]+", "file_key": ".+"}

_logger: Final = logging.getLogger("triverse.sandbox")


class MatchError(Exception):
    """A `match` function raised an exception. Its cause is that exception."""


@define(eq=False)
class _ScheduledFault:
    fault: Fault
    times: float
    match: Match | None
    pattern: re.Pattern[str] | None
    met: int = 0
    lock: Lock = field(factory=Lock)

    def applies(self, request: SandboxRequest) -> bool:
        if self.pattern is not None:
            return bool(self.pattern.fullmatch(f"{request.method} {request.path}"))
        return not callable(self.match) or bool(self.match(request))

    def use(self) -> bool:
        """Use it up by one, unless another request was faster."""
        with self.lock:
            if self.times <= 0:
                return False
            self.times -= 1
            self.met += 1
            return True


class Faults:
    """What goes wrong next, as `sandbox.faults`. Safe to share between threads, and with `match` functions."""

    def __init__(self) -> None:
        self._planned: list[_ScheduledFault] = []
        self._errors: list[Exception] = []
        self._lock = Lock()
        self._matching = local()

    def add(self, fault: Fault, *, times: int | None = None, match: Match | None = None) -> None:
        """Let requests meet this fault. If several faults match, the one that was added first comes first.

        Args:
            fault: what goes wrong.
            times: how many requests meet it. None: every one, until `clear()`.
            match: the path of the requests, such as `/users/balance` or `/tasks/{task_uuid}`, also with a method in
                front, such as `POST /tasks/{flow_name}`; or a function that is called with each request. None: all.

        Raises:
            ConfigurationError: no request can meet the fault.
        """
        if not isinstance(fault, Fault):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
            raise ConfigurationError(f"expected a triverse.sandbox.Fault, not {fault!r}")
        for problem in problems(fault):
            raise ConfigurationError(f"such a fault can never happen: {problem}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
            raise ConfigurationError(f"times must be a positive whole number or None, not {times!r}")
        scheduled = _ScheduledFault(fault, math.inf if times is None else times, match, _pattern_of(match))
        with self._lock:
            self._planned.append(scheduled)

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        with self._lock:
            self._planned.clear()

    @property
    def planned(self) -> tuple[Fault, ...]:
        """Faults that may still happen."""
        with self._lock:
            return tuple(planned.fault for planned in self._planned)

    @property
    def unused(self) -> tuple[Fault, ...]:
        """Planned faults that no request has met so far."""
        with self._lock:
            return tuple(planned.fault for planned in self._planned if not planned.met)

    @property
    def have_functions(self) -> bool:
        """Whether any planned fault has a `match` function."""
        return any(callable(planned.match) for planned in tuple(self._planned))

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What `match` functions raised."""
        with self._lock:
            return tuple(self._errors)

    def take(self, request: SandboxRequest) -> Fault | None:
        """Return the fault that this request meets, used up by one; None for none.

        Raises:
            MatchError: a `match` function failed.
        """
        with self._lock:
            planned = tuple(self._planned)
        # No lock is held while foreign code runs: it may use the sandbox.
        taken = next((one for one in planned if self._applies(one, request) and one.use()), None)
        if taken is None:
            return None
        with self._lock:
            if taken.times <= 0 and taken in self._planned:
                self._planned.remove(taken)
        return taken.fault

    def _applies(self, planned: _ScheduledFault, request: SandboxRequest) -> bool:
        if not callable(planned.match):
            return planned.applies(request)
        if getattr(self._matching, "running", False):
            return False  # a request by a match function: to match it again would never end
        self._matching.running = True
        try:
            return planned.applies(request)
        except Exception as error:
            _logger.exception("the match function of a fault failed")
            with self._lock:
                self._errors.append(error)
            message = f"the match function of a fault raised {type(error).__name__}: {error}"
            raise MatchError(message) from error
        finally:
            self._matching.running = False


def _pattern_of(match: Match | None) -> re.Pattern[str] | None:
    if match is None or (callable(match) and not inspect.iscoroutinefunction(match)):
        return None
    found = _PATTERN.fullmatch(match) if isinstance(match, str) else None
    if found is None:
        message = f"match is a path such as '/users/balance' (no query), or a function that is not async, not {match!r}"
        raise ConfigurationError(message)
    method, path = found[1] or "[^ ]+", found[2]
    path = path.removeprefix("/api/v1") if path.startswith("/api/v1/") else path
    segments = _PLACEHOLDER.sub(lambda name: _SEGMENTS.get(name[1], "[^/]+"), re.escape(path))
    return re.compile(f"{method} {segments}")
