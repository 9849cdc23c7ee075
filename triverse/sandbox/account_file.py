"""Accounts from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from attrs import fields, frozen

from triverse.core.errors import ConfigurationError
from triverse.core.structure import structurer
from triverse.core.validation import MismatchError

if TYPE_CHECKING:
    from triverse.sandbox.accounts import Account
    from triverse.sandbox.sandbox import Sandbox

__all__ = ["add_accounts"]


@frozen
class _AccountEntry:
    email: str
    plan_name: str | None = None
    api_credits: float = 0.0
    web_credits: float = 0.0


_FIELDS: Final = frozenset(attribute.name for attribute in fields(_AccountEntry))


@frozen
class _File:
    accounts: list[_AccountEntry]


def add_accounts(sandbox: Sandbox, path: Path) -> list[Account]:
    """Open the accounts of a file such as this one, and return them in its order.

    ```toml
    [[accounts]]
    email = "ada@example.com"
    plan_name = "Pro"
    api_credits = 120
    web_credits = 10
    ```

    Raises:
        ConfigurationError: the file cannot be read, or is not such a file.
    """
    return [
        sandbox.add_account(
            email=entry.email,
            plan_name=entry.plan_name,
            api_credits=entry.api_credits,
            web_credits=entry.web_credits,
        )
        for entry in _read(path).accounts
    ]


def _read(path: Path) -> _File:
    if path.exists() and not path.is_file():
        # A named pipe without a writer would block for ever.
        raise ConfigurationError(f"cannot read {path}: not a file")
    try:
        # Editors on Windows begin UTF-8 files with a byte order mark.
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _refuse_unknown(content)
        return structurer(_File)(content, path.name)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigurationError(message) from error
    except (ValueError, MismatchError) as error:
        message = f"{path} does not list accounts: {error}"
        raise ConfigurationError(message) from error


def _refuse_unknown(content: Mapping[str, object]) -> None:
    """Refuse fields that would be ignored: they are most likely misspelled.

    Raises:
        ValueError: there are such fields.
    """
    unknown = content.keys() - {"accounts"}
    entries = content.get("accounts")
    for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            unknown |= cast("dict[str, object]", entry).keys() - _FIELDS
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(_FIELDS))}")
