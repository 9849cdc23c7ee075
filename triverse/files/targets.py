"""Targets of downloads: a file that appears under its name complete, or not at all.

- The bytes go to a temporary file in the directory of the target, since only there can it be moved to its name in one
  step. It is created exclusively under a short random name, and only its owner can read it.
- Without `overwrite`, the complete file gets its name by a hard link, which fails if the name is taken. File systems
  without hard links have a rename that fails then.
- With `overwrite`, a rename replaces a file or a link in one step. It never follows the link.
- All errors, and cancellation, remove the temporary file. Only a killed process leaves it behind.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, cast

from triverse.core.errors import ConfigurationError
from triverse.core.text import safe_repr
from triverse.files.downloaded import DownloadedFile

__all__ = ["Target"]

_CREATE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_PRIVATE: Final = 0o600
_DEFAULT: Final = 0o666
_MAX_NAMES: Final = 100
_NO_HARD_LINKS: Final = frozenset(
    {
        errno.EPERM,
        errno.EMLINK,
        errno.ENOSYS,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.EXDEV,
        errno.EACCES,
    }
)


class _PathLike(Protocol):
    def __fspath__(self) -> str: ...


class Target:
    """The target of one download."""

    def __init__(self, to: str | _PathLike, *, overwrite: bool) -> None:
        self._path = _path(to)
        self._overwrite = overwrite
        self._ends_with_separator = os.fspath(to).endswith(("/", os.sep))
        # The current directory may change while bytes come.
        self._base = Path() if self._path.is_absolute() else Path.cwd()
        self._is_directory = False
        self._target: Path | None = None
        self._temporary: Path | None = None
        self._descriptor: int | None = None
        self._mode = _DEFAULT
        self._process = os.getpid()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.discard()

    def check(self) -> None:
        """Check the target before anything is sent.

        Raises:
            FileExistsError: there is something that may not be replaced.
            OSError: the directory is missing, or the name is too long.
        """
        absolute = self._base / self._path
        self._is_directory = absolute.is_dir()
        if self._is_directory:
            return
        if self._ends_with_separator:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(self._path))
        absolute.parent.stat()  # fails if it is missing
        self._check_free(absolute)
        self._target = absolute

    @property
    def must_be_glb(self) -> bool:
        """Whether the name promises a GLB."""
        return not self._is_directory and self._path.suffix.lower() == ".glb"

    def _check_free(self, target: Path) -> None:
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return
        if not self._overwrite or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise self._exists_error(target)

    def _exists_error(self, target: Path) -> FileExistsError:
        shown = self._path / target.name if self._is_directory else self._path
        return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(shown))

    def begin(self, filename: str) -> None:
        """Begin the file, once more if it had begun.

        Args:
            filename: the name to use in a directory.

        Raises:
            FileExistsError: there is something in the directory that may not be replaced.
            OSError: the temporary file cannot be created.
        """
        if self._is_directory:
            self._target = self._base / self._path / filename
            self._check_free(self._target)
        if self._descriptor is None:
            directory = cast("Path", self._target).parent
            self._mode = self._default_mode(directory)
            self._descriptor = self._create(directory, _PRIVATE)
            return
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)

    def _default_mode(self, directory: Path) -> int:
        """Return the permissions of a new file in this directory.

        The umask can only be read by setting it, which other threads would see. So a file is created and looked at.
        """
        descriptor = self._create(directory, _DEFAULT)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        self._remove()
        return mode

    def _create(self, directory: Path, mode: int) -> int:
        """Create a file with a random name."""
        for _ in range(_MAX_NAMES):
            # Known before it exists, so that a Ctrl-C at any moment removes it.
            self._temporary = directory / f".{secrets.token_hex(6)}.part"
            try:
                return os.open(self._temporary, _CREATE_FLAGS, mode)
            except FileExistsError:
                # Whatever stands there, a planted link included, is left alone.
                self._temporary = None
        raise FileExistsError(errno.EEXIST, "no free name for a temporary file", os.fspath(directory))

    def write(self, chunks: Sequence[bytes]) -> None:
        """Write bytes.

        Raises:
            OSError: the disk is full, or failed.
        """
        descriptor = cast("int", self._descriptor)
        for chunk in chunks:
            written = os.write(descriptor, chunk)
            while written < len(chunk):
                written += os.write(descriptor, chunk[written:])

    def publish(self) -> Path:
        """Give the complete file its name, and return its path.

        Raises:
            FileExistsError: something has appeared there that may not be replaced.
            OSError: the disk failed.
        """
        target, temporary = cast("Path", self._target), cast("Path", self._temporary)
        self._close()
        temporary.chmod(self._mode)
        self._check_free(target)
        if self._overwrite:
            temporary.replace(target)
            self._temporary = None
        else:
            self._publish_exclusively(temporary, target)
        return DownloadedFile(self._path / target.name if self._is_directory else self._path)

    def _publish_exclusively(self, temporary: Path, target: Path) -> None:
        try:
            try:
                os.link(temporary, target)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                from triverse.files.exclusive_rename import (  # noqa: PLC0415 - loads ctypes, which is rarely needed
                    rename_exclusively,
                )

                rename_exclusively(temporary, target)
                self._temporary = None
        except FileExistsError:
            raise self._exists_error(target) from None

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            self._remove()

    def _remove(self) -> None:
        # A callback may fork. The child then leaves the file to its parent.
        if self._temporary is not None and self._process == os.getpid():
            self._temporary.unlink(missing_ok=True)
            self._temporary = None


def _path(to: object) -> Path:
    text = to if isinstance(to, str) else os.fspath(cast("_PathLike", to)) if hasattr(to, "__fspath__") else None
    if not isinstance(text, str):
        raise ConfigurationError(f"to must be a str or a path, not {safe_repr(to)}")
    if not text or "\x00" in text:
        raise ConfigurationError(f"to is not a valid path: {safe_repr(text)}")
    return Path(text)
