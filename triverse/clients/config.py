"""The configuration of a client: arguments first, then the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeAlias, TypeVar

from attrs import evolve, frozen

from triverse.core.defaults import UNSET, Unset, value_or
from triverse.core.errors import ConfigurationError
from triverse.core.options import DEFAULT_TIMEOUT, Policy, Timeout, as_timeout, positive_int
from triverse.core.secret import Secret
from triverse.core.text import safe_repr

__all__ = [
    "Accounts",
    "Key",
    "PickledEngine",
    "Settings",
    "account_key",
    "base_url_or_default",
    "client_repr",
    "make_policy",
    "make_settings",
    "resolve_key",
    "view_key",
]

Key: TypeAlias = Secret | Callable[[], object]
"""A key, or the user's callable that returns one."""

S = TypeVar("S")

_DEFAULT_BASE_URL: Final = "https://api.triverse.ai/api/v1"
_KEY_VARIABLE: Final = "TRIVERSE_API_KEY"
_BASE_URL_VARIABLE: Final = "TRIVERSE_BASE_URL"

_FROM_ENVIRONMENT: Final = f"the environment variable {_KEY_VARIABLE}"
_FROM_ARGUMENT: Final = "the argument api_key"
_FROM_CALLABLE: Final = "the api_key callable"


@frozen
class Settings:
    """What all views of a client have in common.

    Attributes:
        base_url: as it was given, or from the environment.
        base_url_name: the argument or the variable that it came from, for errors.
        max_connections: how many requests may be sent at once.
        allow_http: whether plain `http://` to any host is allowed.
    """

    base_url: str
    base_url_name: str
    max_connections: int
    allow_http: bool


def base_url_or_default(base_url: str | None) -> str:
    """Return the base URL that was given, or that of the environment, or the service's."""
    if base_url is None:
        return os.environ.get(_BASE_URL_VARIABLE) or _DEFAULT_BASE_URL
    return base_url


def make_settings(base_url: str | None, max_connections: int, *, allow_http: bool) -> Settings:
    """Return the settings of a new client.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    if not isinstance(allow_http, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        message = f"allow_http must be True or False, not {safe_repr(allow_http)}"
        raise ConfigurationError(message)
    allowed = allow_http or os.environ.get("TRIVERSE_ALLOW_HTTP") == "1"
    name = _BASE_URL_VARIABLE if base_url is None else "base_url"
    return Settings(base_url_or_default(base_url), name, positive_int("max_connections", max_connections), allowed)


def resolve_key(source: object) -> tuple[Key, str]:
    """Return the key of the argument or of the environment, and in words where it came from.

    Its format is checked in `make_policy()`, when no frame holds the plain text any more.

    Raises:
        ConfigurationError: no key was given.
    """
    if source is None:
        if _KEY_VARIABLE not in os.environ:
            message = f"no API key: pass api_key=… or set {_KEY_VARIABLE}"
            raise ConfigurationError(message)
        return Secret(os.environ[_KEY_VARIABLE]), _FROM_ENVIRONMENT
    return _given_key(source)


def _given_key(source: object) -> tuple[Key, str]:
    return (source, _FROM_CALLABLE) if callable(source) else (Secret(source), _FROM_ARGUMENT)


def make_policy(  # noqa: PLR0913 - each is one option of a client
    base: Policy,
    key: Key,
    key_source: str,
    *,
    timeout: float | Timeout | Unset = UNSET,
    deadline: float | Unset | None = UNSET,
    max_retries: int | Unset = UNSET,
) -> Policy:
    """Return the base policy with these options.

    Raises:
        ConfigurationError: an option is wrong, or the key cannot be a bearer token.
    """
    if isinstance(key, Secret):
        key.validated(f"the API key in {_KEY_VARIABLE}" if key_source == _FROM_ENVIRONMENT else "the API key")
    return Policy(
        timeout=base.timeout if isinstance(timeout, Unset) else as_timeout(timeout),
        deadline=value_or(deadline, base.deadline),
        max_retries=value_or(max_retries, base.max_retries),
        refreshes_key=not isinstance(key, Secret),
        key_source=key_source,
    )


def view_key(key: Key, key_source: str, api_key: object) -> tuple[Key, str]:
    """Return the key of a view and in words where it came from. Its format is checked in `make_policy()`.

    Raises:
        ConfigurationError: the key is None.
    """
    if isinstance(api_key, Unset):
        return key, key_source
    if api_key is None:
        message = "with_options(api_key=None): pass a key, or leave api_key out to use the key of this client"
        raise ConfigurationError(message)
    return _given_key(api_key)


def account_key(policy: Policy, name: str, source: object) -> tuple[Key, Policy]:
    """Return key and policy for one account of many. A missing key is an error, never the key of another account.

    Raises:
        ConfigurationError: this cannot be a key.
    """
    key, _ = _given_key(source)
    del source  # otherwise a traceback that shows variables would show the key
    if isinstance(key, Secret):
        key.validated()
    refreshes = not isinstance(key, Secret)
    return key, evolve(policy, refreshes_key=refreshes, key_source=f"the mapping passed to balances(), under {name!r}")


class Accounts(Generic[S]):
    """The accounts of `balances()`, whose repr does not show their keys."""

    def __init__(self, keys: Mapping[str, S]) -> None:
        self._keys = keys

    def checked(self) -> Mapping[str, S]:
        """Return the accounts if they are a mapping. The message does not show them, because they are keys.

        Raises:
            ConfigurationError: they are not.
        """
        if isinstance(self._keys, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
            return self._keys
        kind = type(self._keys).__name__
        message = f"balances() needs a mapping from names of accounts to their API keys, not {kind}"
        raise ConfigurationError(message)


@frozen
class PickledEngine:
    """What a pickle of a client contains.

    Attributes:
        key: the callable that returns the key; None for the environment of the other process.
        policy: limits of each call.
        has_default_timeout: whether no timeout was given, which is recognised by identity.
        settings: the other options.
    """

    key: Callable[[], object] | None
    policy: Policy
    has_default_timeout: bool
    settings: Settings

    @classmethod
    def of(cls, key: Key, policy: Policy, settings: Settings, user_client: object) -> PickledEngine:
        """Return the state of a client.

        Raises:
            TypeError: the client has a key as text, which must not get into a pickle, or an `http_client`.
        """
        if user_client is not None:
            message = "a client with an http_client cannot be pickled: make the client in the other process"
            raise TypeError(message)
        if isinstance(key, Secret) and policy.key_source != _FROM_ENVIRONMENT:
            message = (
                "this client was given its API key as text, which must not get into a pickle: set "
                f"{_KEY_VARIABLE} in each process and leave out api_key, or pass a function that returns the key"
            )
            raise TypeError(message)
        return cls(None if isinstance(key, Secret) else key, policy, policy.timeout is DEFAULT_TIMEOUT, settings)

    def restore(self) -> tuple[Key, Policy, Settings]:
        """Return key, policy and settings in the other process.

        Raises:
            ConfigurationError: there is no key in the environment.
        """
        key, key_source = resolve_key(self.key)
        base = evolve(self.policy, timeout=DEFAULT_TIMEOUT) if self.has_default_timeout else self.policy
        return key, make_policy(base, key, key_source), self.settings


def client_repr(client: object, key: Key, base_url: str, *, closed: bool) -> str:
    """Return the repr of a client. The key is redacted, even if the base URL contains it."""
    url = key.redact(base_url) if isinstance(key, Secret) else base_url
    return f"<{type(client).__name__} {url}{', closed' * closed}>"
