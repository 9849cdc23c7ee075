"""Runs flows over many calls, uploads and downloads for `AsyncTriverse`."""

# pyright: reportPrivateUsage=false
# It reads what a client of this package consists of.
from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Never, TypeVar, cast

import anyio

from triverse.api.downloads import AsyncDownloadStream, Download, Stream
from triverse.api.transfers import AsyncOnProgress
from triverse.clients.async_transfers import download_file, open_stream, send_files
from triverse.clients.calls import SYSTEM
from triverse.clients.config import client_closed
from triverse.clients.flow_engine import policy_of
from triverse.clients.upload_window import UploadWindows
from triverse.core.callbacks import call_async
from triverse.core.errors import TriverseError
from triverse.core.exchange import Response, Runtime
from triverse.core.flow import Call, Effect, Flow, Notify
from triverse.core.options import Policy
from triverse.core.request import Request
from triverse.core.secret import Secret
from triverse.transport.asynchronous import AsyncTransport

if TYPE_CHECKING:
    from triverse.clients.asynchronous import AsyncTriverse

__all__ = ["AsyncFlowEngine"]

T = TypeVar("T")


class AsyncFlowEngine:
    """What the namespaces of tasks and uploads require of a client."""

    def __init__(self, client: AsyncTriverse) -> None:
        self._client = client

    @property
    def policy(self) -> Policy:
        """Timeouts and retries."""
        return self._client._policy

    @property
    def transport(self) -> AsyncTransport:
        """Sends attempts."""
        return self._client._transport

    @property
    def runtime(self) -> Runtime:
        """Clocks and randomness."""
        return SYSTEM

    @property
    def upload_windows(self) -> UploadWindows:
        """The uploads of the last minute."""
        return self._client._upload_windows

    async def current_key(self) -> Secret:
        """Return the key of the next attempt.

        Raises:
            ConfigurationError: the client is closed, or there is no key.
        """
        if self._client._closed or self._client._transport.closed:
            raise client_closed()
        return await self._client._current_key(None)

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        if seconds:
            await anyio.sleep(seconds)

    async def send(self, request: Request[T]) -> Response[T]:
        """Make one call."""
        return await self._client.send(request)

    async def run(self, flow: Flow[Never, T]) -> T:
        """Run a flow to its end."""
        with closing(flow):
            try:
                effect = next(flow)
                while True:
                    try:
                        outcome = await self._perform(effect)
                    except BaseException as error:  # noqa: BLE001 - the flow may add a note to it, and raises it again
                        effect = flow.throw(error)
                    else:
                        effect = flow.send(outcome)
            except StopIteration as end:
                return cast("T", end.value)

    async def _perform(self, effect: Effect[Never]) -> Response[object] | TriverseError | None:
        if isinstance(effect, Notify):
            pending = call_async(effect.callback, effect.value)
            if pending is not None:
                await pending
            return None
        call = cast("Call", effect)
        await self.pause(call.after)
        view = self._client._view(self._client._key, policy_of(call, self.policy))
        try:
            return await view.send(call.request)
        except TriverseError as error:
            return error

    async def upload_all(
        self, requests: Sequence[Request[T]], timeout: float | None = None, on_progress: AsyncOnProgress | None = None
    ) -> list[T]:
        """Open and check all files, then upload one after the other."""
        return [response.data for response in await send_files(self, requests, timeout, on_progress)]

    async def download(self, download: Download) -> Path:
        """Download to a file."""
        return await download_file(self, download)

    def stream(self, stream: Stream) -> AsyncDownloadStream:
        """Return what reads a file in chunks."""
        return open_stream(self, stream)
