"""Responses about tasks: progress as server-sent events, and the file of a finished task.

Both do their work while they are sent. What fails before the first byte is an exception, which
`install_error_handlers` answers with a problem document; what fails later ends the stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote
from uuid import UUID

import anyio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from triverse import AsyncTriverse, Task, TaskError, TriverseError
from triverse.fastapi.error_handlers import problem_of

__all__ = ["DownloadResponse", "TaskEventsResponse"]

# Proxies close connections on which nothing is sent for a minute or so.
_HEARTBEAT_SECONDS: Final = 15.0
_HEARTBEAT: Final = b": waiting\n\n"
_sleep = anyio.sleep


class TaskEventsResponse(Response):
    """The progress of a task as server-sent events, for the browser's `EventSource`.

    The events are `update` for each change, then `finalized` when the task has ended; the data of both is the task as
    JSON. The event `error` has a problem document (RFC 9457): waiting failed, and another request may go on with it. If
    the browser leaves, the waiting ends.

    Args:
        client: the client to wait with.
        task: the task, or its id.
        timeout: seconds to wait for the end of the task.

    Attributes:
        media_type: that of server-sent events.
        charset: UTF-8.

    Example:
        ```python
        from uuid import UUID

        from fastapi import FastAPI
        from triverse.fastapi import TaskEventsResponse, TriverseDep, lifespan

        app = FastAPI(lifespan=lifespan)


        @app.get("/models/{task_uuid}/events")
        async def events(task_uuid: UUID, client: TriverseDep) -> TaskEventsResponse:
            return TaskEventsResponse(client, task_uuid)
        ```
    """

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(self, client: AsyncTriverse, task: Task | UUID | str, *, timeout: float = 3600.0) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._client = client
        self._task = task
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's signature
        """Send the events until the task has ended or the browser has left."""
        stream, error = _EventStream(self, send), None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
            tasks.start_soon(stream.send_heartbeats)
            error = await self._wait(stream)
            tasks.cancel_scope.cancel()
        if error is not None:  # raised out here, because the task group would wrap it in a group
            raise error

    async def _wait(self, stream: _EventStream) -> TriverseError | None:
        """Send the events; return the error if there was one before the first event."""
        try:
            task = await self._client.tasks.wait(self._task, timeout=self._timeout, on_update=stream.send_update)
        except TaskError as error:
            await stream.send_end("finalized", _as_dict(error.task))
        except TriverseError as error:
            if not stream.started:
                return error
            await stream.send_end("error", problem_of(error).problem.document())
        else:
            await stream.send_end("finalized", task.to_dict())
        return None


def _as_dict(task: object) -> Mapping[str, object]:
    return task.to_dict() if isinstance(task, Task) else {}


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class _EventStream:
    """The body of one response."""

    def __init__(self, response: Response, send: Send) -> None:
        self._response = response
        self._send = send
        # Two tasks send: a message of one must not come between those of the other.
        self._lock = anyio.Lock()
        self.started = False

    async def send_update(self, task: Task) -> None:
        """Send an event about a state of the task, unless it is the last one, which has an event of its own."""
        if not task.finished:
            await self._send_event("update", task.to_dict(), more=True)

    async def send_end(self, name: str, data: Mapping[str, object]) -> None:
        """Send the last event."""
        await self._send_event(name, data, more=False)

    async def send_heartbeats(self) -> None:
        """Send comments, which browsers ignore, so that the connection is never idle for long."""
        while True:
            await _sleep(_HEARTBEAT_SECONDS)
            async with self._lock:
                if self.started:
                    await self._send({"type": "http.response.body", "body": _HEARTBEAT, "more_body": True})

    async def _send_event(self, name: str, data: Mapping[str, object], *, more: bool) -> None:
        body = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
        async with self._lock:
            if not self.started:
                self.started = True
                start = {"status": self._response.status_code, "headers": self._response.raw_headers}
                await self._send({"type": "http.response.start", **start})
            await self._send({"type": "http.response.body", "body": body, "more_body": more})


class DownloadResponse(Response):
    """The file of a finished task, passed on to the caller while it is received.

    Args:
        client: the client to download with.
        task: the task, or its id.
        preview: send the preview image instead of the model.
        inline: let the browser show the file instead of saving it.

    Example:
        ```python
        from uuid import UUID

        from fastapi import FastAPI
        from triverse.fastapi import DownloadResponse, TriverseDep, lifespan

        app = FastAPI(lifespan=lifespan)


        @app.get("/models/{task_uuid}/file")
        async def download(task_uuid: UUID, client: TriverseDep) -> DownloadResponse:
            return DownloadResponse(client, task_uuid)
        ```
    """

    def __init__(
        self, client: AsyncTriverse, task: Task | UUID | str, *, preview: bool = False, inline: bool = False
    ) -> None:
        super().__init__()
        self._client = client
        self._task = task
        self._preview = preview
        self._disposition = "inline" if inline else "attachment"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        async with self._client.tasks.stream(self._task, preview=self._preview) as download:
            headers = {"Content-Disposition": f"{self._disposition}; filename*=UTF-8''{quote(download.filename)}"}
            if download.size is not None:
                headers["Content-Length"] = str(download.size)
            response = StreamingResponse(download, headers=headers, media_type=download.content_type)
            await response(scope, receive, send)
