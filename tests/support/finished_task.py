"""A service with one task that has succeeded. It also accepts uploads and shows a balance."""

from __future__ import annotations

from support.file_server import Got, Sent, accepted, file_response, json_response
from support.files import glb
from triverse import AsyncTriverse, Triverse

__all__ = ["MODEL", "TASK", "read_async_stream", "read_stream", "serve"]

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
MODEL = glb(3000)


def serve(got: Got) -> Sent:
    """Answer a request, for `serving_files()`."""
    if got.path.endswith("/upload/image"):
        return accepted(got)
    if "/download/" in got.path:
        return file_response(MODEL, got)
    data = {"task_uuid": TASK, "status": "SUCCESS", "balance": 100.0, "frozen": 0.0}
    return json_response({"code": 0, "message": "success", "data": data})


def read_stream(client: Triverse, task: str = TASK) -> bytes:
    """Read the model of a task."""
    with client.tasks.stream(task) as download:
        return download.read()


async def read_async_stream(client: AsyncTriverse, task: str = TASK) -> bytes:
    """Read the model of a task."""
    async with client.tasks.stream(task) as download:
        return await download.read()
