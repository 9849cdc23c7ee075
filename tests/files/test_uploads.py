from __future__ import annotations

import io
import mimetypes
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from support.clients import KEY, MODES, Mode, drive, run_async
from support.file_server import Cut, FileServer, Got, Sent, accepted, json_response, serving_files
from support.files import GIF, PNG, glb

from triverse import (
    AsyncTriverse,
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    Progress,
    RateLimitError,
    Triverse,
    UploadedFile,
    api,
)
from triverse.api.transfers import UploadSource
from triverse.api.uploads import model

IMAGE = PNG + bytes(range(256)) * 2000
Upload: TypeAlias = Callable[..., UploadedFile]


def upload(
    mode: Mode, server: FileServer, source: UploadSource, kind: str = "image", max_retries: int = 2, **how: object
) -> UploadedFile:
    """Upload once, with a new client."""

    def sync_way(client: Triverse) -> UploadedFile:
        method = client.uploads.image if kind == "image" else client.uploads.model
        return method(source, **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types

    async def async_way(client: AsyncTriverse) -> UploadedFile:
        method = client.uploads.image if kind == "image" else client.uploads.model
        return await method(source, **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types

    return drive(mode, sync_way, async_way, base_url=server.url, max_retries=max_retries)


def part_of(got: Got) -> tuple[str, str]:
    """Return the file name and the type of the only part."""
    head = got.body.split(b"\r\n\r\n")[0].decode()
    found = re.fullmatch(
        r'--([\w-]+)\r\nContent-Disposition: form-data; name="file"; filename="(.*)"\r\nContent-Type: (.*)', head
    )
    assert found is not None
    assert got.headers["content-type"] == f"multipart/form-data; boundary={found[1]}"
    return found[2], found[3]


def assert_whole(got: Got, data: bytes) -> None:
    start, _, _ = got.body.partition(b"\r\n\r\n")
    boundary = got.headers["content-type"].partition("boundary=")[2]
    whole = start + b"\r\n\r\n" + data + f"\r\n--{boundary}--\r\n".encode()
    assert (got.size, got.sha256) == (len(whole), sha256(whole).hexdigest())
    assert got.headers["content-length"] == str(len(whole))


def pipe() -> io.RawIOBase:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    return Pipe(IMAGE)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # it is a binary file too


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["path", "text", "bytes", "bytearray", "file", "pipe"])
def test_each_source_arrives_whole(mode: Mode, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "Säule.png"
    path.write_bytes(IMAGE)
    with serving_files(accepted) as server, path.open("rb") as file:
        file.seek(0)
        given = {
            "path": path,
            "text": str(path),
            "bytes": IMAGE,
            "bytearray": bytearray(IMAGE),
            "file": file,
            "pipe": pipe(),
        }
        uploaded = upload(mode, server, given[kind])  # type: ignore[arg-type]  # each is one
        (got,) = server.requests
        assert not file.closed
    assert uploaded.file_key == f"tasks/{got.sha256}/{got.size}"
    assert (got.method, got.target) == ("POST", "/api/v1/upload/image")
    assert got.headers["authorization"] == f"Bearer {KEY}"
    assert part_of(got) == ("Säule.png" if kind in {"path", "text", "file"} else "image.png", "image/png")
    assert_whole(got, IMAGE)


@pytest.mark.parametrize("variant", ["", "Textured", 1, ["geometry"], b"geometry"])
def test_another_variant_is_a_configuration_error(variant: object) -> None:
    with pytest.raises(ConfigurationError, match="variant must be 'geometry' or 'textured'"):
        model(b"x", variant=variant)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose


@pytest.mark.parametrize("mode", MODES)
def test_a_model_has_its_variant_in_the_query(mode: Mode) -> None:
    with serving_files(accepted) as server:
        upload(mode, server, glb(), "model", variant="geometry", filename='a"b.glb')
        upload(mode, server, b"v 1 2 3\n", "model", filename="x.obj")
        first, second = server.requests
    assert first.target == "/api/v1/upload/model?modelVariant=geometry"
    assert part_of(first) == ("a%22b.glb", "model/gltf-binary")
    assert second.target == "/api/v1/upload/model"
    assert part_of(second) == ("x.obj", "model/obj")


@pytest.mark.parametrize("table", [{}, {".png": "text/html", ".obj": "text/plain", ".glb": "text/plain"}])
def test_tables_of_the_system_change_nothing(table: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetypes, "types_map", table)
    monkeypatch.setattr(mimetypes, "guess_type", lambda: None)
    with serving_files(accepted) as server:
        upload("sync", server, b"v 1 2 3\n", "model", filename="x.obj")
        assert part_of(server.requests[0])[1] == "model/obj"


CUTS = [Cut(len(IMAGE) * percent // 100, reset) for percent in range(0, 100, 5) for reset in (False, True)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("no_backoff")
def test_an_upload_that_breaks_anywhere_is_sent_again_with_the_same_bytes(mode: Mode, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(IMAGE)
    for cut in CUTS:
        with serving_files(accepted, upload_cuts=[cut]) as server:
            upload(mode, server, path)
            (got,) = server.requests
            assert_whole(got, IMAGE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("no_backoff")
def test_each_attempt_has_the_same_bytes_and_fields(mode: Mode) -> None:
    def unavailable(_: Got) -> Sent:
        return json_response({"code": 5003, "message": "down"}, 503, **{"Retry-After": "0"})

    def refused(_: Got) -> Sent:
        return json_response({"code": 2000, "message": "too many"}, 429, **{"Retry-After": "0"})

    with serving_files(unavailable, refused, lambda _: Sent(0), accepted) as server:
        upload(mode, server, glb(), "model", variant="textured")
        assert len(server.requests) == 4
        assert len({(got.sha256, got.size, got.target, got.headers["content-type"]) for got in server.requests}) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_file_is_sent_again_from_its_first_position(mode: Mode) -> None:
    file = io.BytesIO(b"skipped" + IMAGE)
    file.seek(7)
    with serving_files(accepted, upload_cuts=[Cut(100_000)]) as server:
        upload(mode, server, file)
        assert_whole(server.requests[0], IMAGE)


@pytest.mark.parametrize("mode", MODES)
def test_a_429_does_not_count_as_a_retry(mode: Mode) -> None:
    def refused(_: Got) -> Sent:
        return json_response({"code": 2000, "message": "too many"}, 429, **{"Retry-After": "0"})

    with serving_files(refused, refused, refused, accepted) as server:
        upload(mode, server, PNG, max_retries=0)
        assert len(server.requests) == 4
    with serving_files(lambda _: json_response({"code": 2000}, 429, **{"Retry-After": "9"})) as server:
        with pytest.raises(RateLimitError):
            upload(mode, server, PNG, timeout=5.0)
        assert len(server.requests) == 1


@pytest.mark.parametrize("mode", MODES)
def test_errors_of_the_service_are_raised(mode: Mode) -> None:
    with serving_files(lambda _: json_response({"code": 2008, "message": "moderation"}, 400)) as server:
        with pytest.raises(BadRequestError, match="moderation"):
            upload(mode, server, PNG)
        assert len(server.requests) == 1
    with (
        serving_files(lambda _: json_response({"code": 0, "message": "success", "data": {}})) as server,
        pytest.raises(InvalidResponseError, match="file_key"),
    ):
        upload(mode, server, PNG)


@pytest.mark.parametrize("mode", MODES)
def test_a_source_that_cannot_be_uploaded_is_refused_before_sending(mode: Mode, tmp_path: Path) -> None:
    with serving_files(accepted) as server:
        with pytest.raises(ConfigurationError, match=r"^source must be a JPEG, PNG or WebP image, and is a GIF"):
            upload(mode, server, GIF)
        with pytest.raises(FileNotFoundError):
            upload(mode, server, tmp_path / "missing.png")
        with pytest.raises(ConfigurationError, match=r"^timeout"):
            upload(mode, server, PNG, timeout=-1)
        with pytest.raises(ConfigurationError, match=r"^on_progress"):
            upload(mode, server, PNG, on_progress=5)
        assert server.requests == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", ["append", "truncate", "rewrite"])
def test_a_source_that_changes_never_arrives(mode: Mode, change: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(IMAGE * 10)

    def meddle(progress: Progress) -> None:
        if progress.done < 1_000_000:
            return
        if change == "append":
            with path.open("ab") as file:
                file.write(b"x")
        elif change == "truncate":
            os.truncate(path, 1000)
        else:
            path.write_bytes(bytes(len(IMAGE) * 10))

    with serving_files(accepted) as server:
        with pytest.raises(ConfigurationError, match=r"^source: the source changed"):
            upload(mode, server, path, on_progress=meddle)
        assert server.settled()
        assert server.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_an_error_of_the_disk_propagates(mode: Mode) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 300_000:
                raise OSError(5, "the disk is broken")
            return super().read(size)

    with serving_files(accepted) as server:
        with pytest.raises(OSError, match="the disk is broken"):
            upload(mode, server, Broken(IMAGE))
        assert server.settled()
        assert server.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_progress_is_reported_in_order_and_to_the_end(mode: Mode) -> None:
    seen: list[Progress] = []
    with serving_files(accepted) as server:
        upload(mode, server, IMAGE, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == Progress(len(IMAGE), len(IMAGE))
    assert {progress.total for progress in seen} == {len(IMAGE)}


@pytest.mark.parametrize("mode", MODES)
def test_an_exception_of_the_callback_ends_the_upload(mode: Mode) -> None:
    error = LookupError("the user's own")

    def fail(progress: Progress) -> None:
        if progress.done > 200_000:
            raise error

    with serving_files(accepted) as server:
        with pytest.raises(LookupError) as raised:
            upload(mode, server, IMAGE, on_progress=fail)
        assert raised.value is error
        assert raised.value.__context__ is None
        assert server.settled()
        assert server.requests == []


@pytest.mark.parametrize("mode", ["asyncio", "trio"])
def test_an_async_callback_is_awaited(mode: Mode) -> None:
    seen: list[Progress] = []

    async def report(progress: Progress) -> None:
        seen.append(progress)

    async def fail(_: Progress) -> None:
        raise LookupError

    with serving_files(accepted) as server:
        upload(mode, server, IMAGE, on_progress=report)
        assert seen[-1].done == len(IMAGE)
        with pytest.raises(LookupError):
            upload(mode, server, IMAGE, on_progress=fail)
        assert len(server.requests) == 1


def test_an_async_callback_is_refused_in_the_sync_client() -> None:
    async def report(_: Progress) -> None:
        raise NotImplementedError

    class Sneaky:
        def __call__(self, progress: Progress) -> object:
            return report(progress)

    class Asynchronous:
        async def __call__(self, _: Progress) -> None:
            raise NotImplementedError

    with serving_files(accepted) as server:
        for callback in (report, Asynchronous()):
            with pytest.raises(ConfigurationError, match="on_progress must not be asynchronous"):
                upload("sync", server, IMAGE, on_progress=callback)
        assert server.requests == []
        with pytest.raises(ConfigurationError, match="on_progress must not be asynchronous"):
            upload("sync", server, IMAGE, on_progress=Sneaky())
        assert server.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_the_timeout_bounds_the_whole_upload(mode: Mode) -> None:
    with serving_files(lambda _: Sent(body=b"{}", stall=0)) as server:
        with pytest.raises(DeadlineExceededError):
            upload(mode, server, PNG, timeout=0.2)
        assert len(server.requests) == 1


@pytest.mark.parametrize("mode", ["asyncio", "trio"])
def test_the_timeout_bounds_the_reading_of_a_pipe(mode: Mode) -> None:
    reading, writing = os.pipe()
    with serving_files(accepted) as server, os.fdopen(reading, "rb") as file:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(PNG)
            pipe.flush()
            with pytest.raises(DeadlineExceededError, match="before the source was read"):
                upload(mode, server, file, timeout=0.2)
        assert server.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_the_eleventh_upload_of_a_key_waits_across_views(mode: Mode) -> None:
    def sync_way(client: Triverse) -> None:
        views = [client, client.with_options(max_retries=1)]
        for number in range(10):
            views[number % 2].uploads.image(PNG)
        with pytest.raises(DeadlineExceededError, match="allows ten in 60 seconds"):
            client.with_options(deadline=1).uploads.image(PNG, timeout=5.0)
        client.with_options(api_key="another-key-0123456789").uploads.image(PNG, timeout=5.0)

    async def async_way(client: AsyncTriverse) -> None:
        views = [client, client.with_options(max_retries=1)]
        for number in range(10):
            await views[number % 2].uploads.image(PNG)
        with pytest.raises(DeadlineExceededError, match="allows ten in 60 seconds"):
            await client.with_options(deadline=1).uploads.image(PNG, timeout=5.0)
        await client.with_options(api_key="another-key-0123456789").uploads.image(PNG, timeout=5.0)

    with serving_files(accepted) as server:
        drive(mode, sync_way, async_way, base_url=server.url)
        assert len(server.requests) == 11


@pytest.mark.parametrize("mode", MODES)
def test_a_builder_can_be_run_by_the_client(mode: Mode, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(IMAGE)
    request = api.uploads.image(path)

    async def async_way(client: AsyncTriverse) -> int:
        assert (await client.execute(request)).file_key.startswith("tasks/")
        return (await client.send(request)).attempts

    def sync_way(client: Triverse) -> int:
        assert client.execute(request).file_key.startswith("tasks/")
        return client.send(request).attempts

    with serving_files(accepted, upload_cuts=[Cut(10), Cut(10)]) as server:
        assert drive(mode, sync_way, async_way, base_url=server.url) == 1
        for got in server.requests:
            assert_whole(got, IMAGE)


def test_the_users_own_client_sends_the_same_stream() -> None:
    seen: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.read())
        assert request.headers["content-length"] == str(len(seen[-1]))
        return httpx.Response(200, json={"code": 0, "message": "success", "data": {"file_key": "tasks/x"}})

    async def handle_async(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return handle(request)

    with (
        httpx.Client(transport=httpx.MockTransport(handle)) as own,
        Triverse(KEY, base_url="http://127.0.0.1:1", http_client=own) as client,
    ):
        client.uploads.image(IMAGE)

    async def main() -> None:
        transport = httpx.MockTransport(handle_async)
        async with (
            httpx.AsyncClient(transport=transport) as own,
            AsyncTriverse(KEY, base_url="http://127.0.0.1:1", http_client=own) as client,
        ):
            await client.uploads.image(IMAGE)

    run_async("asyncio", main)
    assert all(IMAGE in body for body in seen)
    assert len(seen) == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_never_answers_is_a_broken_connection(mode: Mode) -> None:
    with serving_files(lambda _: Sent(0)) as server, pytest.raises(ConnectionFailedError):
        upload(mode, server, PNG, max_retries=0)
