"""Options that several commands have, and the clients that they describe."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import click
from attrs import frozen

import triverse
from triverse._logging import log_as_json, log_to_stderr
from triverse.cli.keys import find_key
from triverse.clients.config import base_url_or_default
from triverse.core.errors import ConfigurationError
from triverse.core.options import seconds_from_zero
from triverse.sandbox import Sandbox
from triverse.sandbox.flows import FLOWS

__all__ = [
    "FILE",
    "ClientFactory",
    "client_options",
    "credits_of",
    "json_option",
    "mutually_exclusive",
    "seconds_of",
]

P = ParamSpec("P")
T = TypeVar("T")

# With this seed the first task of the sandbox's activity starts at once.
_DEMO_SEED: Final = 3

FILE: Final = click.Path(path_type=Path)


def credits_of(text: str) -> float:
    """Return a number of credits: finite, and not negative.

    Raises:
        BadParameter: it is something else.
    """
    try:
        amount = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number of credits") from None
    if not 0 <= amount < math.inf:
        raise click.BadParameter(f"{text!r} is not a number of credits that an account can have (0 or more)")
    return amount


def seconds_of(text: str) -> float:
    """Return a number of seconds that a wait accepts: a command must not refuse it after it has created a task.

    Raises:
        BadParameter: it is something else.
    """
    try:
        return seconds_from_zero("timeout", float(text))
    except (ValueError, ConfigurationError):
        raise click.BadParameter(f"{text!r} is not a number of seconds (0 to 1e9)") from None


@frozen
class ClientFactory:
    """Makes the client that the options describe.

    Attributes:
        profile: name of the profile with the key; None for the environment.
        sandbox: use a local Triverse in this process.
        debug: show each attempt on standard error.
        as_json: show it as a JSON line.
    """

    profile: str | None = None
    sandbox: bool = False
    debug: bool = False
    as_json: bool = False

    def client(self) -> triverse.Triverse:
        """A client for threads. The caller closes it.

        Raises:
            ConfigurationError: there is no key, or it cannot be one.
        """
        self.show_attempts()
        if self.sandbox:
            return self.local.client()
        return triverse.Triverse(self._key())

    def client_for_many(self) -> triverse.Triverse:
        """A client whose calls all bring their own keys. The caller closes it."""
        self.show_attempts()
        return triverse.Triverse("each-account-has-its-own-key")

    def async_client(self) -> triverse.AsyncTriverse:
        """A client for tasks. The caller closes it.

        Raises:
            ConfigurationError: there is no key, or it cannot be one.
        """
        self.show_attempts()
        if self.sandbox:
            return self.local.async_client()
        return triverse.AsyncTriverse(self._key())

    def show_attempts(self) -> None:
        """Show each attempt on standard error if that is wanted, and no log record there otherwise.

        Without any handler, `logging` would write warnings to standard error by its handler of last resort.
        """
        if self.debug:
            log_to_stderr(logging.DEBUG)
        else:
            logging.getLogger("triverse").addHandler(logging.NullHandler())
        log_as_json(self.as_json)

    def _key(self) -> str | None:
        """The key of the profile. None for that of the environment, so that errors name the variable as its source.

        Raises:
            ConfigurationError: there is neither. The message names both ways.
        """
        key = find_key(self.profile)
        return None if self.profile is None else key.value

    def async_client_for_many(self) -> triverse.AsyncTriverse:
        """A client for tasks whose calls all bring their own keys. The caller closes it."""
        self.show_attempts()
        return triverse.AsyncTriverse("each-account-has-its-own-key")

    def host(self) -> str:
        """The host that calls go to."""
        return "the local sandbox" if self.sandbox else urlsplit(base_url_or_default(None)).netloc

    def activity(self) -> AbstractContextManager[None]:
        """Tasks that start and end on the local Triverse, so that there is something to watch."""
        if not self.sandbox:
            return nullcontext()
        from triverse.sandbox.activity import Activity  # noqa: PLC0415 - only --watch --sandbox needs it

        return Activity([self.local.demo], seed=_DEMO_SEED).running()

    def client_for_task(self, task_uuid: UUID, *, ended: bool) -> triverse.Triverse:
        """A client for one task that exists. The caller closes it.

        The local Triverse of `--sandbox` begins with the command. A task with this id is put into it, so that commands
        about a task can be tried with any id.

        Args:
            task_uuid: the task.
            ended: whether the task of a local Triverse has already succeeded.

        Raises:
            ConfigurationError: there is no key, or it cannot be one.
        """
        if self.sandbox:
            flow = FLOWS["text-to-model"]
            body = {"prompt": "a brass helmet"}
            tasks = self.local.demo.tasks
            task = tasks.create(flow, flow.check(body), flow.cost(flow.pricing_params(body), None), uuid=task_uuid)
            while ended and not task.ended:
                task.advance()
        return self.client()

    @cached_property
    def local(self) -> Sandbox:
        """The local Triverse of this process."""
        return Sandbox()


def client_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add the options of every command that calls the service, and pass them on as `factory`."""

    @click.option("--debug", is_flag=True, help="Show each attempt on standard error.")
    @click.option("--profile", metavar="NAME", help="Use the key of this profile, not TRIVERSE_API_KEY.")
    @click.option("--sandbox", is_flag=True, help="Use a local Triverse: no key, no network, no cost.")
    @wraps(command)
    def with_factory(*, debug: bool, profile: str | None, sandbox: bool, **rest: Any) -> T:  # noqa: ANN401 - click's
        mutually_exclusive(**{"--sandbox": sandbox, "--profile": profile is not None})
        return command(factory=ClientFactory(profile, sandbox, debug, rest.get("as_json", False)), **rest)

    return with_factory


def json_option(command: Callable[P, T]) -> Callable[P, T]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def mutually_exclusive(**options: bool) -> None:
    """Raise a usage error if more than one of these options is given.

    Raises:
        UsageError: two of them are given.
    """
    used = [name for name, given in options.items() if given]
    if len(used) > 1:
        raise click.UsageError(f"{used[0]} and {used[1]} cannot be used together", click.get_current_context())
