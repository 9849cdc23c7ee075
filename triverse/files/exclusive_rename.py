"""A rename that fails if the new name is taken, for file systems without hard links, such as exFAT."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["rename_exclusively", "renameat2"]

_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
# Where the kernel or the file system does not know the flag.
_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})


def rename_exclusively(source: Path, target: Path) -> None:
    """Rename a file, but replace nothing.

    Raises:
        FileExistsError: the name is taken.
        OSError: the rename failed.
    """
    if sys.platform == "linux" and renameat2(os.fsencode(source), os.fsencode(target)):
        return
    # Windows refuses a name that is taken. Elsewhere, a file that appears between these two lines is replaced.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(target))
    source.rename(target)


def renameat2(source: bytes, target: bytes) -> bool:
    """Call Linux's `renameat2`. Return False if it is not available."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if rename(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_NOREPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), os.fsdecode(target))
