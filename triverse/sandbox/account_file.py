"""Accounts written down in a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

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


@frozen
class _File:
    accounts: list[_AccountEntry]


def add_accounts(sandbox: Sandbox, path: Path) -> list[Account]:
    """Open the accounts of a file such as this one, and give them in its order.

    ```toml
    [[accounts]]
    email = "ada@example.com"
    plan_name = "Pro"
    api_credits = 120
    web_credits = 10
    ```

    Raises:
        ConfigurationError: the file cannot be read, or says something else.
    """
    return [
        sandbox.add_account(
            email=written.email,
            plan_name=written.plan_name,
            api_credits=written.api_credits,
            web_credits=written.web_credits,
        )
        for written in _read(path).accounts
    ]


def _read(path: Path) -> _File:
    try:
        return structurer(_File)(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigurationError(message) from error
    except (ValueError, MismatchError) as error:
        message = f"{path} does not list accounts: {error}"
        raise ConfigurationError(message) from error
