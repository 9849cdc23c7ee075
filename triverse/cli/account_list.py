"""The file of `triverse balance --accounts`: TOML, CSV, or a list of environment variables.

An entry whose key is missing is an error of that account, not of the run.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from triverse.cli.files import display_name, read_text, text_table, toml
from triverse.cli.keys import resolve
from triverse.core.errors import ConfigurationError

__all__ = ["Keys", "read_accounts"]

_NO_VARIABLE: Final = (
    "this is not the name of an environment variable that is set (a file that contains keys must be .toml or .csv)"
)

# The key of each account, or why there is none.
Keys: TypeAlias = Mapping[str, str | ConfigurationError]


def read_accounts(path: Path) -> Keys:
    """Names and keys of the accounts in a file.

    Raises:
        ConfigurationError: the file cannot be read or understood. The message contains no keys.
    """
    accounts: dict[str, str | ConfigurationError] = {}
    for name, key in _entries(path):
        if name in accounts:
            raise ConfigurationError(f"{path} names the account {display_name(name)!r} twice")
        accounts[name] = key
    if not accounts:
        raise ConfigurationError(f"{path} names no accounts")
    return accounts


def _entries(path: Path) -> Iterator[tuple[str, str | ConfigurationError]]:
    suffix = path.suffix.lower()
    if suffix == ".toml":
        for name, reference in text_table(toml(path), "accounts", path).items():
            yield _entry(name, reference, f"{path}, {display_name(name)}")
    elif suffix == ".csv":
        yield from _rows(path)
    else:
        yield from _variables(path)


def _entry(name: str, reference: str, place: str) -> tuple[str, str | ConfigurationError]:
    shown = display_name(name)
    if shown != name and len(reference) < len(name):
        return shown, ConfigurationError(f"{place}: the name and the key seem to be in each other's place")
    try:
        return name, resolve(reference, name)
    except ConfigurationError as error:
        return name, error


def _rows(path: Path) -> Iterator[tuple[str, str | ConfigurationError]]:
    # strict, since a quote that is never closed would swallow the rest of the file.
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True, skipinitialspace=True)
    try:
        columns = rows.fieldnames or ()
        if not {"name", "key"} <= set(columns):
            raise ConfigurationError(f"{path} must begin with a line that names the columns: name,key")
        for row in rows:
            name, key = (row["name"] or "").strip(), (row["key"] or "").strip()
            place = f"{path}, line {rows.line_num}"
            if not name or not key:
                raise ConfigurationError(f"{place}: a name and a key are needed")
            yield _entry(name, key, place)
    except csv.Error as error:
        raise ConfigurationError(f"{path} is not valid CSV after line {rows.line_num}: {error}") from None


def _variables(path: Path) -> Iterator[tuple[str, str | ConfigurationError]]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        name = line.partition("#")[0].strip()
        if name and not name.isidentifier():
            raise ConfigurationError(f"{path}, line {number}: {_NO_VARIABLE}")
        if name in os.environ:
            yield name, os.environ[name]
        elif name:
            # The line is not quoted: a file with a key on each line is easily taken for this kind of list.
            yield f"line {number}", ConfigurationError(f"{path}, line {number}: {_NO_VARIABLE}")
