"""The namespace `client.tasks` of `AsyncTriverse`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from triverse.api.assets import Asset
from triverse.api.downloads import AsyncDownloadStream, Download, Stream
from triverse.api.tasks import builders
from triverse.api.tasks.builders import RenderMode
from triverse.api.tasks.checks import TaskReference, task_uuid_of
from triverse.api.tasks.files import FileInput, plan_uploads
from triverse.api.tasks.protocols import AsyncTaskSender
from triverse.api.tasks.quotes import Quote
from triverse.api.tasks.task import Task
from triverse.api.tasks.waiting import AsyncOnUpdate, wait_flow
from triverse.api.transfers import AsyncOnProgress, PathLike
from triverse.core.request import JSON, Request

__all__ = ["AsyncTasks"]


class AsyncTasks:
    """Tasks, as `client.tasks`. `image` and `model` are a URL, a `file_key`, an `UploadedFile`, or a file to upload."""

    __slots__ = ("_engine",)

    def __init__(self, engine: AsyncTaskSender) -> None:
        self._engine = engine

    async def quote(self, flow: str | Request[Task], params: Mapping[str, JSON] | None = None) -> Quote:
        """Return the price of a task before it is created: `POST /tasks/pricing/quote`."""
        return (await self._engine.send(builders.quote(flow, params))).data

    async def create(
        self,
        flow_name: str,
        params: Mapping[str, JSON],
        *,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
    ) -> Task:
        """Create a task of any flow with any parameters: `POST /tasks/{flow_name}`."""
        request = builders.create(flow_name, params, client_order_id=client_order_id, allow_duplicate=allow_duplicate)
        return (await self._engine.send(request)).data

    async def text_to_model(
        self,
        prompt: str,
        *,
        negative_prompt: str | None = None,
        polygon_limit: int | None = None,
        texture_size: int | None = None,
        turbo: bool | None = None,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Task:
        """Create a textured model from text: `POST /tasks/text-to-model`."""
        request = builders.text_to_model(
            prompt,
            negative_prompt=negative_prompt,
            polygon_limit=polygon_limit,
            texture_size=texture_size,
            turbo=turbo,
            client_order_id=client_order_id,
            allow_duplicate=allow_duplicate,
            extra=extra,
        )
        return (await self._engine.send(request)).data

    async def text_to_mesh(
        self,
        prompt: str,
        *,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Task:
        """Create a model without texture from text: `POST /tasks/text-to-mesh`."""
        request = builders.text_to_mesh(
            prompt,
            client_order_id=client_order_id,
            allow_duplicate=allow_duplicate,
            extra=extra,
        )
        return (await self._engine.send(request)).data

    async def image_to_model(
        self,
        image: FileInput,
        *,
        model_version: str | None = None,
        polygon_limit: int | None = None,
        texture_size: int | None = None,
        turbo: bool | None = None,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Task:
        """Create a textured model from an image: `POST /tasks/image-to-model`."""
        build = partial(
            builders.image_to_model,
            model_version=model_version,
            polygon_limit=polygon_limit,
            texture_size=texture_size,
            turbo=turbo,
            client_order_id=client_order_id,
            allow_duplicate=allow_duplicate,
            extra=extra,
        )
        return await self._create(build, image=image)

    async def image_to_mesh(
        self,
        image: FileInput,
        *,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Task:
        """Create a model without texture from an image: `POST /tasks/image-to-mesh`."""
        build = partial(
            builders.image_to_mesh,
            client_order_id=client_order_id,
            allow_duplicate=allow_duplicate,
            extra=extra,
        )
        return await self._create(build, image=image)

    async def texture_model(
        self,
        *,
        image: FileInput,
        model: FileInput,
        model_version: str | None = None,
        polygon_limit: int | None = None,
        texture_size: int | None = None,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Task:
        """Create a texture for a model, from an image: `POST /tasks/texture-model`."""
        build = partial(
            builders.texture_model,
            model_version=model_version,
            polygon_limit=polygon_limit,
            texture_size=texture_size,
            client_order_id=client_order_id,
            allow_duplicate=allow_duplicate,
            extra=extra,
        )
        return await self._create(build, image=image, model=model)

    async def model_preview_render(
        self,
        model: FileInput,
        *,
        render_mode: RenderMode | None = None,
        image_count: int | None = None,
        resolution: str | None = None,
        render_format: str | None = None,
        enable_rgb_render: bool | None = None,
        enable_white_render: bool | None = None,
        camera_angles: Sequence[str] | None = None,
        preset_name: str | None = None,
        client_order_id: str | Literal[False] | None = None,
        allow_duplicate: bool | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Task:
        """Create pictures of a model: `POST /tasks/model-preview-render`."""
        build = partial(
            builders.model_preview_render,
            render_mode=render_mode,
            image_count=image_count,
            resolution=resolution,
            render_format=render_format,
            enable_rgb_render=enable_rgb_render,
            enable_white_render=enable_white_render,
            camera_angles=camera_angles,
            preset_name=preset_name,
            client_order_id=client_order_id,
            allow_duplicate=allow_duplicate,
            extra=extra,
        )
        return await self._create(build, model=model)

    async def _create(self, build: Callable[..., Request[Task]], **files: FileInput) -> Task:
        uploads, request = plan_uploads(build, files)
        if uploads:
            uploaded = await self._engine.upload_all(list(uploads.values()))
            request = build(**{**files, **dict(zip(uploads, uploaded, strict=True))})
        return (await self._engine.send(request)).data

    async def get(self, task: TaskReference) -> Task:
        """Return the state of a task: `GET /tasks/{task_uuid}`."""
        return (await self._engine.send(builders.get(task))).data

    async def wait(
        self,
        task: TaskReference,
        *,
        timeout: float | None = 3600.0,
        poll_interval: float | None = None,
        on_update: AsyncOnUpdate | None = None,
    ) -> Task:
        """Poll a task until it ends, and return it once it has succeeded.

        Args:
            task: a `Task`, or its id. A wait can be resumed from the id alone, in any process.
            timeout: seconds to wait; None for no limit, and 0 for a single poll.
            poll_interval: seconds between two polls, at least 1. Default: by the time waited and the progress.
            on_update: is called with the first polled state and each changed one; awaited if async.

        Raises:
            TaskFailedError: the task failed; it and the next two have the reason in their text.
            TaskCancelledError: the task was cancelled.
            TaskError: the task ended in another way without a result.
            DeadlineExceededError: the timeout ran out; `.task` is the last state. The task goes on.
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        flow = wait_flow(task, timeout, poll_interval, on_update, self._engine.runtime, may_be_async=True)
        return await self._engine.run(flow)

    async def asset(self, task: TaskReference) -> Asset:
        """Return where the result of a task can be downloaded: `GET /tasks/url/{task_uuid}`. The URLs may expire."""
        return (await self._engine.send(builders.asset(task))).data

    async def download(
        self,
        task: TaskReference,
        to: str | PathLike,
        *,
        overwrite: bool = False,
        preview: bool = False,
        timeout: float | None = None,
        on_progress: AsyncOnProgress | None = None,
    ) -> Path:
        """Download the result of a task to a file or into a directory. The file is complete, or it is not there.

        Args:
            task: a `Task`, or its id.
            to: the file, or an existing directory, where the file gets the server's name.
            overwrite: replace a file or link that is there.
            preview: download the preview image in place of the result.
            timeout: seconds for the whole download, retries included. None: no limit.
            on_progress: is called with a `Progress` as bytes are received, and awaited if it is async.

        Raises:
            FileExistsError: something is at the target that must not be replaced.
            OSError: the file cannot be written.
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        download = Download(
            task_uuid=task_uuid_of(task),
            to=to,
            overwrite=overwrite,
            preview=preview,
            timeout=timeout,
            on_progress=on_progress,
        )
        return await self._engine.download(download)

    def stream(
        self, task: TaskReference, *, preview: bool = False, timeout: float | None = None
    ) -> AsyncDownloadStream:
        """Read the result of a task in chunks: `async with client.tasks.stream(task) as download: …`."""
        return self._engine.stream(Stream(task_uuid=task_uuid_of(task), preview=preview, timeout=timeout))
