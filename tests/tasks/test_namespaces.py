from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
import pytest
from attrs import define, field
from support.waits import UUID_TEXT, found, state

from triverse import ConfigurationError, Request, Response, Task, UploadedFile, api
from triverse.api.downloads import Download, Stream
from triverse.api.tasks.async_namespace import AsyncTasks
from triverse.api.tasks.namespace import Tasks
from triverse.core.flow import Call, Flow
from triverse.core.runtime import Runtime

T = TypeVar("T")

KEY = "tasks/uid_11111111-2222-4333-8444-555555555555/20260601/3c9e.webp"
URL = "https://files.example/helmet.glb"

METHODS = sorted(name for name in vars(Tasks) if not name.startswith("_"))


@define
class FakeEngine:
    """Records its calls in order, and returns at once."""

    asked: list[object] = field(factory=list[object])
    runtime: Runtime = field(factory=lambda: Runtime(lambda: 0.0, lambda: 0.0, lambda: 0.0, lambda: "id"))

    def send(self, request: Request[Any]) -> Response[Any]:
        self.asked.append(request)
        return found(state("SUCCESS"))

    def upload_all(self, requests: Sequence[Request[Any]], *_: object) -> list[Any]:
        self.asked.append(list(requests))
        return [UploadedFile(f"uploads/{number}") for number, _ in enumerate(requests)]

    def run(self, flow: Flow[Any, T]) -> T:
        call = next(flow)
        assert isinstance(call, Call)
        try:
            flow.send(self.send(call.request))
        except StopIteration as end:
            return cast("T", end.value)
        raise AssertionError("more than one call")

    def download(self, download: Download) -> Path:
        self.asked.append(download)
        return Path("helmet.glb")

    def stream(self, stream: Stream) -> Any:
        self.asked.append(stream)
        return "a stream"


class FakeAsyncEngine(FakeEngine):
    async def send(self, request: Request[Any]) -> Response[Any]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the async version
        return super().send(request)

    async def upload_all(self, requests: Sequence[Request[Any]], *_: object) -> list[Any]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the async version
        return super().upload_all(requests)

    async def run(self, flow: Flow[Any, T]) -> T:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the async version
        call = next(flow)
        assert isinstance(call, Call)
        try:
            flow.send(await self.send(call.request))
        except StopIteration as end:
            return cast("T", end.value)
        raise AssertionError("more than one call")

    async def download(self, download: Download) -> Path:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the async version
        return super().download(download)


def call(
    *,
    is_async: bool,
    method: str,
    options: Mapping[str, object],
    args: Sequence[object] = (),
    asked: list[object] | None = None,
) -> tuple[object, list[object]]:
    """Call a method of one of the two namespaces. Return its result and the calls to the engine."""
    asked = [] if asked is None else asked
    engine = FakeAsyncEngine(asked) if is_async else FakeEngine(asked)
    namespace: Any = AsyncTasks(cast("Any", engine)) if is_async else Tasks(cast("Any", engine))
    result = getattr(namespace, method)(*args, **options)
    if inspect.isawaitable(result):
        result = anyio.run(_result_of, result)
    return result, asked


async def _result_of(awaitable: Any) -> object:
    return await awaitable


ALL_OPTIONS: dict[str, tuple[list[object], dict[str, object]]] = {
    "quote": (["image-to-model", {"turbo": True}], {}),
    "create": (["model-remesh", {"a": 1}], {"client_order_id": "mine", "allow_duplicate": True}),
    "text_to_model": (
        ["a helmet"],
        {"negative_prompt": "blurry", "polygon_limit": 2000, "texture_size": 2048, "turbo": True},
    ),
    "text_to_mesh": (["a helmet"], {}),
    "image_to_model": ([KEY], {"model_version": "v2", "polygon_limit": 2000, "texture_size": 2048, "turbo": True}),
    "image_to_mesh": ([URL], {}),
    "texture_model": (
        [],
        {"image": KEY, "model": URL, "model_version": "v2", "polygon_limit": 2000, "texture_size": 2048},
    ),
    "model_preview_render": (
        [UploadedFile(KEY)],
        {
            "render_mode": "custom",
            "image_count": 2,
            "resolution": "1024x768",
            "render_format": "PNG",
            "enable_rgb_render": True,
            "enable_white_render": False,
            "camera_angles": ["front"],
            "preset_name": "studio-soft",
        },
    ),
    "get": ([UUID_TEXT], {}),
    "asset": ([UUID_TEXT], {}),
}
COMMON: dict[str, object] = {"client_order_id": "mine", "allow_duplicate": False, "extra": {"seed": 7}}
TYPED = [name for name in ALL_OPTIONS if "_" in name]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("method", ALL_OPTIONS)
def test_a_method_sends_what_its_builder_describes(method: str, *, is_async: bool) -> None:
    args, options = ALL_OPTIONS[method]
    options = options | COMMON if method in TYPED else options
    build: Callable[..., Request[Any]] = getattr(api.tasks, method)
    result, asked = call(is_async=is_async, method=method, args=args, options=options)
    assert asked == [build(*args, **options)]
    assert result == state("SUCCESS")


def test_every_method_is_tested_with_all_of_its_options() -> None:
    assert {*ALL_OPTIONS, "wait", "download", "stream"} == set(METHODS)
    for method, (args, options) in ALL_OPTIONS.items():
        parameters = set(inspect.signature(getattr(Tasks, method)).parameters) - {"self"}
        assert len(parameters - set(COMMON)) == len(args) + len(options.keys() - set(COMMON)), method


@pytest.mark.parametrize("method", METHODS)
def test_both_namespaces_have_the_same_signatures_and_descriptions(method: str) -> None:
    def parts(cls: type) -> tuple[object, ...]:
        signature = inspect.signature(getattr(cls, method))
        return str(signature).replace("Async", ""), (inspect.getdoc(getattr(cls, method)) or "").split("\n", 1)[0]

    signature, description = parts(Tasks)
    async_signature, async_description = parts(AsyncTasks)
    assert signature == async_signature
    assert str(description) == str(async_description).replace("async with", "with")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("source", [Path("helmet.png"), b"bytes", bytearray(b"bytes"), io.BytesIO(b"bytes")])
def test_files_are_uploaded_before_the_task_is_created(source: object, *, is_async: bool) -> None:
    for method, options in (
        ("texture_model", {"image": source, "model": source}),
        ("texture_model", {"image": KEY, "model": source}),
        ("image_to_model", {"image": source, "turbo": True}),
        ("image_to_mesh", {"image": source}),
        ("model_preview_render", {"model": source, "image_count": 2}),
    ):
        _, (uploads, request) = call(is_async=is_async, method=method, options=options)
        uploaded = [name for name in ("image", "model") if options.get(name) is source]
        assert [upload.path for upload in cast("list[Request[Any]]", uploads)] == [
            f"/upload/{name}" for name in uploaded
        ]
        body = cast("dict[str, object]", cast("Request[Task]", request).json)
        keys = [body[f"{name}_file"] for name in uploaded]
        assert keys == [f"uploads/{number}" for number, _ in enumerate(uploaded)]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"image": b"bytes", "model": "helmet.glb"},
        {"image": "helmet.png", "model": b"bytes"},
        {"image": b"bytes", "model": KEY, "polygon_limit": 1},
        {"image": b"bytes", "model": KEY, "client_order_id": "a b"},
        {"image": b"bytes", "model": KEY, "extra": {"image_file": KEY}},
    ],
)
def test_no_file_is_uploaded_for_a_call_with_a_wrong_argument(options: dict[str, object], *, is_async: bool) -> None:
    asked: list[object] = []
    with pytest.raises(ConfigurationError):
        call(is_async=is_async, method="texture_model", options=options, asked=asked)
    assert not asked


@pytest.mark.parametrize("is_async", [False, True])
def test_a_wait_polls_the_task(*, is_async: bool) -> None:
    result, (request,) = call(is_async=is_async, method="wait", args=[UUID_TEXT], options={"timeout": 5})
    assert result == state("SUCCESS")
    assert cast("Request[Task]", request).path == f"/tasks/{UUID_TEXT}"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_download_and_a_stream_pass_their_options_on(*, is_async: bool) -> None:
    options: dict[str, object] = {"preview": True, "timeout": 5.0}
    task = state()
    _, (stream,) = call(is_async=is_async, method="stream", args=[task], options=options)
    assert stream == Stream(task_uuid=task.task_uuid, preview=True, timeout=5.0)
    more: dict[str, object] = {**options, "overwrite": True, "on_progress": print}
    path, (download,) = call(is_async=is_async, method="download", args=[task, "helmet.glb"], options=more)
    assert path == Path("helmet.glb")
    expected = Download(
        task_uuid=task.task_uuid, to="helmet.glb", overwrite=True, preview=True, timeout=5.0, on_progress=print
    )
    assert download == expected


async def update(_task: Task) -> None: ...


class AsyncUpdate:
    async def __call__(self, _task: Task) -> None: ...


@pytest.mark.parametrize("on_update", [update, AsyncUpdate(), 5])
def test_a_sync_wait_refuses_an_async_callback_before_anything_is_sent(on_update: object) -> None:
    asked: list[object] = []
    with pytest.raises(ConfigurationError, match=r"^on_update must "):
        call(is_async=False, method="wait", args=[UUID_TEXT], options={"on_update": on_update}, asked=asked)
    assert not asked
