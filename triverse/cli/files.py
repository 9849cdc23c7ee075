"""Read small text files that people write: config files and lists of accounts, in any of the encodings of editors.

Windows editors save UTF-8 and UTF-16 with a byte order mark. A path may also name a pipe, such as the `<(…)` of a
shell: opened with O_NONBLOCK, so that a named pipe without a writer is an error and not an endless wait.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final, cast

from triverse.core.errors import ConfigurationError

__all__ = ["display_name", "display_path", "read_text", "text_table", "toml"]

# 10,000 accounts take 1 MB. A device such as /dev/zero never ends.
_MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_SUFFIX: Final = 6
_IS_POSIX: Final = os.name == "posix"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_KEY_LIKE: Final = re.compile(r"[\w.~+-]{16,}=*")


def read_text(path: Path, *, private: bool = False) -> str:
    """The text of a file.

    Args:
        path: file or pipe.
        private: refuse a file that other users of this machine can read.

    Raises:
        ConfigurationError: it cannot be read. The message does not quote the file.
    """
    shown = display_path(path)
    try:
        with open(path, "rb", opener=_open) as file:
            _check_permissions(file, path, private=private)
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {shown}: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(f"cannot read {shown}: it is larger than {_MAX_BYTES >> 20} MiB")
    return _decode(data, shown)


def _open(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if _IS_POSIX:
        # Only the opening must not wait. A pipe whose writer is slow is read to its end.
        os.set_blocking(descriptor, True)
    return descriptor


def _check_permissions(file: BinaryIO, path: Path, *, private: bool) -> None:
    if private and _IS_POSIX and os.fstat(file.fileno()).st_mode & _OTHERS:
        raise ConfigurationError(f"other users can read the keys in {path}: chmod 600 {shlex.quote(str(path))}")


def _decode(data: bytes, shown: str) -> str:
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeError:
        raise ConfigurationError(f"cannot read {shown}: it is not UTF-8 text") from None
    if "\0" in text:
        raise ConfigurationError(f"cannot read {shown}: it contains NUL characters. Save it as UTF-8")
    return text


def toml(path: Path, *, private: bool = False) -> Mapping[str, object]:
    """A TOML file.

    Raises:
        ConfigurationError: it cannot be read, or is not TOML. The message does not quote the file.
    """
    text = read_text(path, private=private)
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        # Only the position: some messages of tomllib quote names, and a key may stand where a name is expected.
        position = re.search(r"\(at [^()]*\)$", str(error))
        place = f" {position.group()}" if position else ""
        raise ConfigurationError(f"{display_path(path)} is not valid TOML{place}") from None


def text_table(document: Mapping[str, object], table: str, path: Path) -> Mapping[str, str]:
    """A table of names and texts in a TOML document.

    Raises:
        ConfigurationError: it is not there, or has other values. The message does not quote values.
    """
    found = document.get(table)
    if not isinstance(found, dict):
        raise ConfigurationError(f'{path} has no table [{table}] with lines such as: name = "env:VARIABLE"')
    entries = cast("dict[str, object]", found)
    texts = {name: value for name, value in entries.items() if isinstance(value, str)}
    for name in entries.keys() - texts.keys():
        shown = display_name(name)
        raise ConfigurationError(f'{path}: {shown} under [{table}] must be text in quotes, such as "env:VARIABLE"')
    return texts


def display_path(path: Path) -> str:
    """The path, unless it could be a key. A short suffix such as `.toml` shows that it is none."""
    return str(path) if 1 < len(path.suffix) <= _MAX_SUFFIX else display_name(str(path))


def display_name(name: str) -> str:
    """The name, unless it could be a key: people put keys where names are expected, and logs keep what is printed.

    A long word with a digit could be one. A path or a sentence could not.
    """
    if _KEY_LIKE.fullmatch(name) and any(map(str.isdigit, name)):
        return f"{name[:3]}… ({len(name)} characters, hidden because it could be a key)"
    return name
