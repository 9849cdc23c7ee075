"""The client that a command speaks through."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Final

from attrs import frozen

from triverse.cli.exit_codes import printable
from triverse.cli.keys import find_key

if TYPE_CHECKING:
    # Where both clients are named; a command imports the one that it uses.
    from triverse import AsyncTriverse, Triverse
    from triverse.sandbox import Sandbox

__all__ = ["Connection", "show_attempts"]

# With this seed the first task starts at once.
_LIVELY: Final = 3

# httpx loads a command line of its own, rich and all, which takes a quarter of the time of `triverse balance`.
_unused = ModuleType("httpx._main")
vars(_unused)["main"] = lambda: None
sys.modules.setdefault("httpx._main", _unused)


@frozen
class Connection:
    """Whom to ask, and in whose name.

    Attributes:
        profile: name of the profile with the key; None for the environment alone.
        sandbox: ask a local Triverse inside this process.
        debug: tell of each attempt on standard error.
    """

    profile: str | None = None
    sandbox: bool = False
    debug: bool = False

    def client(self) -> Triverse:
        """A client for threads. The caller closes it.

        Raises:
            ConfigurationError: there is no key, or it cannot be one.
        """
        show_attempts(self.debug)
        if self.sandbox:
            return self._local.client()
        from triverse import Triverse  # noqa: PLC0415 - not before it is used

        return Triverse(find_key(self.profile).value)

    def client_for_many(self) -> Triverse:
        """A client whose calls all bring keys of their own. The caller closes it."""
        show_attempts(self.debug)
        from triverse import Triverse  # noqa: PLC0415 - as above

        return Triverse("each-account-has-its-own")

    def activity(self) -> AbstractContextManager[None]:
        """Around a long look at a local Triverse: tasks come and go there, else there would be nothing to see."""
        if not self.sandbox:
            return nullcontext()
        from triverse.sandbox.activity import Activity  # noqa: PLC0415 - as above

        return Activity([self._local.demo], seed=_LIVELY).going_on()

    @cached_property
    def _local(self) -> Sandbox:
        from triverse.sandbox import Sandbox  # noqa: PLC0415 - as above

        return Sandbox()

    def async_client(self) -> AsyncTriverse:
        """A client for tasks. The caller closes it.

        Raises:
            ConfigurationError: there is no key, or it cannot be one.
        """
        show_attempts(self.debug)
        if self.sandbox:
            return self._local.async_client()
        from triverse import AsyncTriverse  # noqa: PLC0415 - as above

        return AsyncTriverse(find_key(self.profile).value)


def show_attempts(debug: bool) -> None:  # noqa: FBT001 - it is the option of this name
    """Tell of each attempt on standard error if that is wanted, and of nothing else there if not."""
    logger = logging.getLogger("triverse")
    logger.addHandler(_StandardError() if debug else logging.NullHandler())
    if debug:
        logger.setLevel(logging.DEBUG)


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(f"{record.levelname.lower()}: {printable(record.getMessage())}\n")
