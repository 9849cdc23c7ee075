"""Request bodies that are read while they are sent, as streams of httpx.

Both can be iterated again, which some of httpx's auth flows do. The async one reads in threads, several chunks at a
time: a step to a thread and back takes some 50 us, as long as sending a chunk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final

import httpx

from triverse.core.request import StreamedBody
from triverse.transport.async_threads import run_in_thread

__all__ = ["AsyncBodyStream", "SyncBodyStream"]

_CHUNKS_AT_ONCE: Final = 16


class SyncBodyStream(httpx.SyncByteStream):
    """A streamed body for `httpx.Client`."""

    def __init__(self, body: StreamedBody) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for chunk in self._body.chunks():
            yield chunk
            sent += len(chunk)
            self._body.progress(sent)


class AsyncBodyStream(httpx.AsyncByteStream):
    """A streamed body for `httpx.AsyncClient`."""

    def __init__(self, body: StreamedBody) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _AsyncChunks(self._body)


class _AsyncChunks:
    """Chunks of one attempt. No generator: httpx does not close one that it abandons, of which trio complains."""

    def __init__(self, body: StreamedBody) -> None:
        self._body = body
        self._chunks = body.chunks()
        self._read: list[bytes] = []
        self._sent = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._sent:
            pending = self._body.progress(self._sent)
            if pending is not None:
                await pending
        if not self._read:
            self._read = await run_in_thread(self._read_more)
        if not self._read:
            raise StopAsyncIteration
        chunk = self._read.pop()
        self._sent += len(chunk)
        return chunk

    def _read_more(self) -> list[bytes]:
        return list(islice(self._chunks, _CHUNKS_AT_ONCE))[::-1]
