"""The accounts file of `triverse sandbox`: a TOML table for each account."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import fields, frozen

from triverse.cli.files import display_name, toml
from triverse.core.errors import ConfigurationError
from triverse.core.result import EXTRA_FIELD, Result
from triverse.core.structure import structurer
from triverse.core.validation import MismatchError
from triverse.sandbox import Account, Sandbox

__all__ = ["add_accounts"]


@frozen
class _AccountEntry(Result):
    email: str
    plan_name: str | None = None
    api_credits: float = 0.0
    web_credits: float = 0.0
    key: str | None = None


_KNOWN: Final = tuple(attribute.name for attribute in fields(_AccountEntry) if attribute.name != EXTRA_FIELD)


@frozen
class _File(Result):
    accounts: list[_AccountEntry]


def add_accounts(sandbox: Sandbox, path: Path) -> list[Account]:
    """Open the accounts of a file such as this one, and return them in its order.

    ```toml
    [[accounts]]
    email = "ada@example.com"
    plan_name = "Pro"
    api_credits = 120
    web_credits = 10
    key = "a-key-that-another-program-knows"
    ```

    Raises:
        ConfigurationError: the file cannot be read, or has other content.
    """
    entries = _read(path).accounts
    return [
        sandbox.add_account(
            email=entry.email,
            plan_name=entry.plan_name,
            api_credits=entry.api_credits,
            web_credits=entry.web_credits,
            key=entry.key,
        )
        for entry in entries
    ]


def _read(path: Path) -> _File:
    try:
        file = structurer(_File)(toml(path), path.name)
    except MismatchError as error:
        raise ConfigurationError(f"{path} does not list accounts: {error}") from error
    unknown = [*file.extra, *(name for entry in file.accounts for name in entry.extra)]
    # Fields that would be ignored are most likely misspelled.
    if unknown:
        raise ConfigurationError(
            f"{path} has unknown fields: {', '.join(map(display_name, unknown))}. Known: {', '.join(_KNOWN)}"
        )
    return file
