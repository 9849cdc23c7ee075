"""What a client is built from: arguments first, then the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Final, TypeVar

from attrs import evolve

from triverse.core.errors import ConfigurationError
from triverse.core.options import UNSET, Policy, Timeout, Unset, as_timeout, value_or
from triverse.core.secret import Secret

__all__ = [
    "DEFAULT_MAX_CONNECTIONS",
    "account_options",
    "base_url_or_default",
    "client_closed",
    "key_from",
    "make_policy",
    "policy_within",
    "shown",
]

DEFAULT_MAX_CONNECTIONS: Final = 100

_DEFAULT_BASE_URL: Final = "https://api.triverse.ai/api/v1"

F = TypeVar("F", bound=Callable[[], object])


def base_url_or_default(base_url: str | None) -> str:
    """The argument, else `TRIVERSE_BASE_URL`, else the service."""
    return base_url or os.environ.get("TRIVERSE_BASE_URL") or _DEFAULT_BASE_URL


def key_from(source: str | F | None) -> Secret | F:
    """The argument, else `TRIVERSE_API_KEY`: as a key, or as what gives one.

    Raises:
        ConfigurationError: there is no key. Whether it can be one, `make_policy` asks, when no frame holds it plain.
    """
    if callable(source):
        return source
    if source is not None:
        return Secret(source)
    if "TRIVERSE_API_KEY" not in os.environ:
        message = "no API key: pass api_key=… or set TRIVERSE_API_KEY"
        raise ConfigurationError(message)
    return Secret(os.environ["TRIVERSE_API_KEY"])


def make_policy(
    base: Policy,
    key: Secret | Callable[[], object],
    *,
    timeout: float | Timeout | Unset = UNSET,
    deadline: float | Unset | None = UNSET,
    max_retries: int | Unset = UNSET,
) -> Policy:
    """The base policy with what was given put in its place.

    Raises:
        ConfigurationError: a value is of no use, or the key cannot be one.
    """
    if isinstance(key, Secret):
        key.validated()
    return Policy(
        timeout=base.timeout if isinstance(timeout, Unset) else as_timeout(timeout),
        deadline=value_or(deadline, base.deadline),
        max_retries=value_or(max_retries, base.max_retries),
        refreshes_key=not isinstance(key, Secret),
    )


def account_options(policy: Policy, key: str | F) -> tuple[Secret | F, Policy]:
    """Key and policy for one account of many.

    Raises:
        ConfigurationError: this cannot be a key. Nothing stands in for it, least of all the environment's key.
    """
    refreshes = callable(key)
    if policy.refreshes_key is not refreshes:
        policy = evolve(policy, refreshes_key=refreshes)
    return key if callable(key) else Secret(key).validated(), policy


def client_closed() -> ConfigurationError:
    """The error of a call that comes too late."""
    return ConfigurationError("the client is closed: make a new one")


def shown(client: object, key: Secret | Callable[[], object], base_url: str, *, closed: bool) -> str:
    """A client as one reads it in a log or a debugger: never with its key, not even where the URL has it as well."""
    url = key.redact(base_url) if isinstance(key, Secret) else base_url
    return f"<{type(client).__name__} {url}{', closed' * closed}>"


def policy_within(policy: Policy, seconds: float) -> Policy:
    """The policy with its deadline brought down to so many seconds, if it is not that short already."""
    if seconds >= (policy.deadline or math.inf):
        return policy
    # No time at all is no deadline: the call fails by itself.
    return evolve(policy, deadline=max(seconds, 0.001))
