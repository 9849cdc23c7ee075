"""What to download or to stream, as plain values, and the effects of the flow that does it.

The flow is in `download_flow`. What it yields and is sent:

- `Open`: close the response that is open, sleep, send a request, and send in its `Reply` with an empty body, or the
  `AttemptFailed`.
- `Read`: send in the next bytes of the open response, b"" at its end, or the `AttemptFailed`.
- `Begin`: the file begins, now or once more. All that was handed on before is void. Send in None.
- `Data`: the next bytes of the file. Send in None.
- `Call` and `Notify`: as in `core.flow`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, Self, TypeAlias, cast
from uuid import UUID

from attrs import field, frozen

from triverse.api.transfers import AsyncOnProgress, PathLike
from triverse.core.attempt import Attempt
from triverse.core.errors import ConfigurationError
from triverse.core.flow import Call, Notify
from triverse.core.options import positive_seconds
from triverse.core.text import safe_repr

__all__ = [
    "AsyncDownloadStream",
    "AsyncTransfer",
    "Begin",
    "Data",
    "Download",
    "DownloadEffect",
    "DownloadStream",
    "Open",
    "Read",
    "Stream",
    "SyncTransfer",
]


def _check_flag(_owner: object, attribute: object, value: bool) -> None:  # noqa: FBT001 - attrs calls it
    if value is not True and value is not False:
        name = getattr(attribute, "name", "")
        raise ConfigurationError(f"{name} must be True or False, not {safe_repr(value)}")


def _check_timeout(_owner: object, _attribute: object, value: float | None) -> None:
    if value is not None:
        positive_seconds("timeout", value, "seconds or None")


@frozen(kw_only=True)
class Stream:
    """The result of a task, to be read in chunks.

    Attributes:
        task_uuid: the task.
        preview: whether to read the preview image in place of the result.
        timeout: seconds for all of it; None for no limit.
    """

    task_uuid: UUID
    preview: bool = field(default=False, validator=_check_flag)
    timeout: float | None = field(default=None, validator=_check_timeout)


@frozen(kw_only=True)
class Download(Stream):
    """The result of a task, to be written to a file.

    Attributes:
        to: a file, or an existing directory.
        overwrite: whether a file or link at the target is replaced.
        on_progress: is called with a `Progress` as bytes come.
    """

    to: str | PathLike
    overwrite: bool = field(default=False, validator=_check_flag)
    on_progress: AsyncOnProgress | None = None


class Open(NamedTuple):
    """Sleep, then send a request and read the head of its response."""

    attempt: Attempt


class Read(NamedTuple):
    """Read the next bytes of the response."""


class Begin(NamedTuple):
    """The file begins.

    Attributes:
        filename: a safe file name.
        content_type: as the server sent it.
        size: of the file by `Content-Length`; None if the server did not send it.
    """

    filename: str
    content_type: str
    size: int | None


class Data(NamedTuple):
    """The next bytes of the file."""

    chunk: bytes


DownloadEffect: TypeAlias = Open | Read | Begin | Data | Call | Notify


class SyncTransfer(Protocol):
    """Runs the flow of one download, for threads."""

    def advance(self) -> Begin | Data | None:
        """Return what comes next; None at the end of the file."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class AsyncTransfer(Protocol):
    """Runs the flow of one download, for tasks."""

    async def advance(self) -> Begin | Data | None:
        """Return what comes next; None at the end of the file."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


_NO_BEGIN: Final = Begin("", "", None)


class _StreamHead:
    """What is known about a stream once its block was entered."""

    _begin: Begin = _NO_BEGIN

    @property
    def filename(self) -> str:
        """A safe file name: the server's, or the id of the task."""
        return self._begin.filename

    @property
    def content_type(self) -> str:
        """The content type that the server sent."""
        return self._begin.content_type

    @property
    def size(self) -> int | None:
        """How many bytes there are; None if the server did not send that."""
        return self._begin.size


def _not_open_error() -> ConfigurationError:
    return ConfigurationError("the download is not open. Use it inside of its block: with client.tasks.stream(…) as …")


class DownloadStream(_StreamHead):
    """The result of a task, in chunks, as `client.tasks.stream()` returns it.

    Example:
        ```python
        task = client.tasks.wait(client.tasks.text_to_model("a brass helmet"))
        with client.tasks.stream(task) as download:
            for chunk in download:
                print(len(chunk))
        ```
    """

    def __init__(self, start: Callable[[], SyncTransfer]) -> None:
        self._start = start
        self._transfer: SyncTransfer | None = None

    def __enter__(self) -> Self:
        transfer = self._transfer = self._start()
        try:
            self._begin = cast("Begin", transfer.advance())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        except BaseException:  # KeyboardInterrupt, at the last moment
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._transfer is None:
            raise _not_open_error()
        try:
            event = self._transfer.advance()
        except BaseException:
            # An interrupted read cannot be taken up again: the next one would miss bytes.
            self.close()
            raise
        if event is None:
            raise StopIteration
        return cast("Data", event).chunk

    def read(self) -> bytes:
        """Return the rest of the file."""
        return b"".join(self)

    def close(self) -> None:
        """Close the connection, as the end of the block does."""
        if self._transfer is not None:
            self._transfer.close()
            self._transfer = None


class AsyncDownloadStream(_StreamHead):
    """The result of a task, in chunks, as `client.tasks.stream()` returns it.

    Example:
        ```python
        task = await client.tasks.wait(await client.tasks.text_to_model("a brass helmet"))
        async with client.tasks.stream(task) as download:
            async for chunk in download:
                print(len(chunk))
        ```
    """

    def __init__(self, start: Callable[[], AsyncTransfer]) -> None:
        self._start = start
        self._transfer: AsyncTransfer | None = None

    async def __aenter__(self) -> Self:
        transfer = self._transfer = self._start()
        try:
            self._begin = cast("Begin", await transfer.advance())
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._transfer is None:
            raise _not_open_error()
        try:
            event = await self._transfer.advance()
        except BaseException:
            # An interrupted read cannot be taken up again: the next one would miss bytes.
            await self.aclose()
            raise
        if event is None:
            raise StopAsyncIteration
        return cast("Data", event).chunk

    async def read(self) -> bytes:
        """Return the rest of the file."""
        return b"".join([chunk async for chunk in self])

    async def aclose(self) -> None:
        """Close the connection, as the end of the block does."""
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            await transfer.aclose()
