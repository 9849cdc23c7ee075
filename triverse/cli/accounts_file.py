"""Files that name many accounts and their keys: TOML, CSV, or a list of environment variables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from triverse.cli.key_references import resolve, text_table
from triverse.core.errors import ConfigurationError

__all__ = ["read_accounts"]


def read_accounts(path: Path) -> Mapping[str, str]:
    """Names and keys of the accounts in a file.

    Raises:
        ConfigurationError: the file, or something that it names, is of no use. The message does not quote keys.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        message = f"cannot read accounts from {path} ({type(error).__name__})"
        raise ConfigurationError(message) from error
    accounts: dict[str, str] = {}
    for name, reference in _entries(path, text):
        if name in accounts:
            message = f"{path} names the account {name!r} twice"
            raise ConfigurationError(message)
        accounts[name] = resolve(reference, name)
    if not accounts:
        message = f"{path} names no accounts"
        raise ConfigurationError(message)
    return accounts


def _entries(path: Path, text: str) -> Iterable[tuple[str, str]]:
    """Each name with its key, or the reference to it, in the file's order."""
    suffix = path.suffix.lower()
    if suffix == ".toml":
        return text_table(text, "accounts", path).items()
    return _rows(path, text) if suffix == ".csv" else _variables(path, text)


def _rows(path: Path, text: str) -> Iterator[tuple[str, str]]:
    rows = csv.DictReader(text.splitlines())
    if not {"name", "key"} <= set(rows.fieldnames or ()):
        message = f"{path} must begin with a line that names the columns: name,key"
        raise ConfigurationError(message)
    for row in rows:
        if not row["name"] or not row["key"]:
            message = f"{path}, line {rows.line_num}: a name and a key are needed"
            raise ConfigurationError(message)
        yield row["name"].strip(), row["key"].strip()


def _variables(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        name = line.partition("#")[0].strip()
        # A key in here would be taken for a name, and end up on the screen.
        if name and not name.isidentifier():
            message = (
                f"{path}, line {number}: not the name of an environment variable (a file of keys must be .toml or .csv)"
            )
            raise ConfigurationError(message)
        if name:
            yield name, f"env:{name}"
