"""Open the sources of uploads, and check them before anything is sent.

- A path is opened once. Each attempt reads that open file, so a file that replaces it at the path changes nothing.
- A binary file is read from its position at the start of the call, and stays open.
- A file that cannot seek, such as a pipe, is first copied to a temporary file.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from inspect import iscoroutinefunction
from typing import Final, Protocol, cast

from triverse.core.errors import ConfigurationError
from triverse.core.text import safe_repr
from triverse.files.source import CHUNK_BYTES, Source

__all__ = ["open_source"]

_ACCEPTED: Final = "a pathlib.Path, a path as str, bytes or another buffer, or a binary file"
# Opening a FIFO without this waits for a writer. Regular files ignore it. Windows has neither.
_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class BinaryFile(Protocol):
    """What is used of a binary file that can seek."""

    def read(self, size: int, /) -> bytes:
        """Read at most this many bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


def open_source(source: object, argument: str, limit: int) -> Source:
    """Open a source and check its kind and size.

    Raises:
        ConfigurationError: it is of the wrong kind, empty or larger than the limit.
        OSError: the file is missing or cannot be read.
    """
    opened = _open(source, argument, limit)
    with _closed_on_error(opened.close):
        if opened.size == 0:
            raise ConfigurationError(f"{argument}: there is nothing to upload, the source is empty")
        if opened.size > limit:
            raise _too_large(argument, f"is {opened.size:,} bytes", limit)
    return opened


@contextmanager
def _closed_on_error(close: Callable[[], object]) -> Generator[None]:
    try:
        yield
    except BaseException:
        close()
        raise


def _open(source: object, argument: str, limit: int) -> Source:
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return _open_path(cast("str | os.PathLike[str]", source), argument)
    try:
        view = memoryview(source)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the question
    except TypeError:
        return _open_file(source, argument, limit)
    return _open_buffer(view, argument)


def _too_large(argument: str, what: str, limit: int) -> ConfigurationError:
    return ConfigurationError(f"{argument}: the source {what}; the service takes at most {limit // 1024**2} MiB")


def _open_buffer(view: memoryview, argument: str) -> Source:
    if not view.c_contiguous:
        raise ConfigurationError(f"{argument}: the buffer is not contiguous. Pass a contiguous copy")
    plain = view.cast("B") if view.nbytes else view

    def read(offset: int, size: int) -> bytes:
        return bytes(plain[offset : offset + size])

    return Source(argument, view.nbytes, read, close=plain.release, checksums=not view.readonly)


def _open_path(path: str | os.PathLike[str], argument: str) -> Source:
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except ValueError:
        raise ConfigurationError(f"{argument} is not a valid path: {safe_repr(path)}") from None
    except PermissionError:
        if os.path.isdir(path):  # noqa: PTH112 - a str, too; Windows refuses to open directories
            raise _not_a_file(path, argument) from None
        raise
    with _closed_on_error(partial(os.close, descriptor)):
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _not_a_file(path, argument)
        file = open(descriptor, "rb", buffering=0)  # noqa: PTH123, SIM115 - by descriptor; Source.close() closes it
    with _closed_on_error(file.close):
        return _seekable(file, argument, 0, os.fspath(path), close=file.close)


def _not_a_file(path: object, argument: str) -> ConfigurationError:
    what = safe_repr(str(path))
    return ConfigurationError(f"{argument} must name a regular file: {what} is a directory, a pipe or a device")


def _seekable(
    file: BinaryFile, argument: str, start: int, name: object, *, close: Callable[[], object] | None = None
) -> Source:
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    state = _file_state(file)

    def read(offset: int, size: int) -> bytes:
        file.seek(start + offset)
        return _read_fully(file.read, size, argument)

    return Source(
        argument,
        max(0, end - start),
        read,
        name=os.path.basename(name) if isinstance(name, str) else None,  # noqa: PTH119 - a str
        close=close,
        state=state,
        checksums=state is None,
    )


def _file_state(file: object) -> Callable[[], object] | None:
    """Return a function that returns what changes with the file; None for what is no file of the system."""
    # Asking it for a descriptor would make it write itself to the disk.
    if isinstance(file, tempfile.SpooledTemporaryFile):
        return None
    try:
        descriptor = cast("io.FileIO", file).fileno()
        os.fstat(descriptor)
    except (AttributeError, OSError, ValueError, TypeError):
        return None

    def state() -> object:
        status = os.fstat(descriptor)
        return status.st_size, status.st_mtime_ns

    return state


def _read_fully(read: Callable[[int], bytes | None], size: int, argument: str) -> bytes:
    """Read this many bytes, fewer only at the end of the file: raw files may return less than was asked for."""
    data = _read_once(read, size, argument)
    while 0 < len(data) < size:
        more = _read_once(read, size - len(data), argument)
        if not more:
            break
        data += more
    return data


def _read_once(read: Callable[[int], object], size: int, argument: str) -> bytes:
    data = read(size)
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        raise ConfigurationError(f"{argument} is a text file. Open it in binary mode, as in open(path, 'rb')")
    if data is None:
        raise ConfigurationError(f"{argument} is a non-blocking file that has no data yet. Pass its bytes")
    raise _wrong_type(argument, f"read() returned {type(data).__name__}")


def _wrong_type(argument: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{argument} must be {_ACCEPTED}: {what}")


def _open_file(file: object, argument: str, limit: int) -> Source:
    read = getattr(file, "read", None)
    if not callable(read):
        raise _wrong_type(argument, f"{type(file).__name__} is none of them")
    if iscoroutinefunction(read):
        raise ConfigurationError(
            f"{argument} is an async file ({type(file).__name__}). Pass a binary file, such as the `.file` of an "
            "UploadFile, or the path"
        )
    if isinstance(file, io.TextIOBase):
        raise ConfigurationError(f"{argument} is a text file. Open it in binary mode, as in open(path, 'rb')")
    if getattr(file, "closed", False) is True:
        raise ConfigurationError(f"{argument} is a file that was closed. Pass an open one, or its path")
    name = getattr(file, "name", None)
    start = _position(file)
    if start is None:
        return _spool(cast("Callable[[int], object]", read), argument, limit, name)
    _read_once(read, 0, argument)
    return _seekable(cast("BinaryFile", file), argument, start, name)


def _position(file: object) -> int | None:
    """Return the position of a file; None if it cannot seek."""
    # Files of other libraries fail to seek in any way.
    with suppress(Exception):
        binary = cast("io.RawIOBase", file)
        if binary.seekable():
            return binary.tell()
    return None


def _spool(read: Callable[[int], object], argument: str, limit: int, name: object) -> Source:
    """Copy what cannot seek to a temporary file."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - Source.close() closes it
    with _closed_on_error(copy.close):
        _copy(read, copy.write, argument, limit)
        return _seekable(copy, argument, 0, name, close=copy.close)


def _copy(read: Callable[[int], object], write: Callable[[bytes], object], argument: str, limit: int) -> None:
    # Not inside of the `with` of `_spool()`: Python 3.13.0 leaves the backward jump of this loop out of the exception
    # table, so that a KeyboardInterrupt there would skip the end of the block and leave the file open.
    size = 0
    while chunk := _read_once(read, CHUNK_BYTES, argument):
        size += len(chunk)
        if size > limit:
            raise _too_large(argument, "is larger than that", limit)
        write(chunk)
