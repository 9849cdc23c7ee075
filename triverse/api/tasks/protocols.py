"""What `Tasks` and `AsyncTasks` require of a client."""

from __future__ import annotations

from pathlib import Path
from typing import Never, Protocol, TypeVar

from triverse.api.downloads import AsyncDownloadStream, Download, DownloadStream, Stream
from triverse.api.transfers import AsyncFileSender, FileSender
from triverse.core.flow import Flow
from triverse.core.runtime import Runtime

__all__ = ["AsyncTaskSender", "TaskSender"]

T = TypeVar("T")


class TaskSender(FileSender, Protocol):
    """What `Tasks` requires of a client."""

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        ...

    def run(self, flow: Flow[Never, T]) -> T:
        """Run a flow to its end."""
        ...

    def download(self, download: Download) -> Path:
        """Download a file."""
        ...

    def stream(self, stream: Stream) -> DownloadStream:
        """Return what reads a file in chunks."""
        ...


class AsyncTaskSender(AsyncFileSender, Protocol):
    """What `AsyncTasks` requires of a client."""

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        ...

    async def run(self, flow: Flow[Never, T]) -> T:
        """Run a flow to its end."""
        ...

    async def download(self, download: Download) -> Path:
        """Download a file."""
        ...

    def stream(self, stream: Stream) -> AsyncDownloadStream:
        """Return what reads a file in chunks."""
        ...
