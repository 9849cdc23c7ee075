"""Connections are reused after a transfer, and no transfer makes the user's client unusable."""

from __future__ import annotations

import pickle
from pathlib import Path

import httpx
import pytest
from support.clients import KEY, MODES, Mode, drive, run_async
from support.file_server import FileServer, Got, Sent, file_response, json_response, serving_files
from support.files import glb
from support.finished_task import TASK, read_async_stream, read_stream

from triverse import AsyncTriverse, ConnectionFailedError, Triverse

FILE = glb(400_000)
SIGNATURE = "X-Signature=secret"


def with_users_client(mode: Mode, server: FileServer, times: int, *, whole: bool) -> list[int]:
    """Leave a stream before its end, then make another call; several times. Return the sizes that were read."""
    sizes: list[int] = []

    def sync_way() -> None:
        with httpx.Client() as http, Triverse(KEY, base_url=server.url, http_client=http) as client:
            for _ in range(times):
                with client.tasks.stream(TASK) as download:
                    size = len(next(download))
                    while whole and size < len(FILE):
                        size += len(next(download))
                assert client.tasks.asset(TASK).download_url
                sizes.append(size)

    async def async_way() -> None:
        async with (
            httpx.AsyncClient() as http,
            AsyncTriverse(KEY, base_url=server.url, http_client=http) as client,
        ):
            for _ in range(times):
                async with client.tasks.stream(TASK) as download:
                    size = len(await anext(download))
                    while whole and size < len(FILE):
                        size += len(await anext(download))
                assert (await client.tasks.asset(TASK)).download_url
                sizes.append(size)

    if mode == "sync":
        sync_way()
    else:
        run_async(mode, async_way)
    return sizes


def asset_or_file(got: Got) -> Sent:
    if "/url/" in got.path:
        return json_response({"code": 0, "message": "success", "data": {"download_url": "https://storage.example/x"}})
    return file_response(FILE, got)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("whole", [False, True])
def test_a_users_client_works_after_a_stream_that_was_left(mode: Mode, whole: bool) -> None:  # noqa: FBT001 - a parameter
    with serving_files(asset_or_file) as server:
        sizes = with_users_client(mode, server, 3, whole=whole)
        assert server.settled()
    assert len(sizes) == 3
    assert not whole or sizes == [len(FILE)] * 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [b"", b"<html>Moved</html>"])
@pytest.mark.parametrize("users", [False, True])
def test_a_redirect_leaves_its_connection_open(mode: Mode, users: bool, body: bytes, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    def sync_way(client: Triverse) -> None:
        for name in ("one.glb", "two.glb"):
            client.tasks.download(TASK, tmp_path / name)

    async def async_way(client: AsyncTriverse) -> None:
        for name in ("one.glb", "two.glb"):
            await client.tasks.download(TASK, tmp_path / name)

    async def with_users() -> None:
        async with httpx.AsyncClient() as http, AsyncTriverse(KEY, base_url=api.url, http_client=http) as client:
            await async_way(client)

    with (
        serving_files(lambda got: file_response(FILE, got)) as storage,
        serving_files(lambda _: Sent(302, {"Location": f"{storage.origin}/x?{SIGNATURE}"}, body)) as api,
    ):
        if not users:
            drive(mode, sync_way, async_way, base_url=api.url)
        elif mode == "sync":
            with httpx.Client() as http, Triverse(KEY, base_url=api.url, http_client=http) as client:
                sync_way(client)
        else:
            run_async(mode, with_users)
        assert (api.connections, storage.connections) == (1, 1)
    assert (tmp_path / "two.glb").read_bytes() == FILE


@pytest.mark.parametrize("mode", MODES)
def test_a_long_redirect_is_not_read(mode: Mode) -> None:
    with (
        serving_files(lambda got: file_response(FILE, got)) as storage,
        serving_files(lambda _: Sent(302, {"Location": f"{storage.origin}/x"}, bytes(100_000), stall=10)) as api,
    ):
        assert drive(mode, read_stream, read_async_stream, base_url=api.url) == FILE


@pytest.mark.parametrize("mode", MODES)
def test_the_cause_of_an_error_does_not_contain_the_query_of_a_file(mode: Mode, tmp_path: Path) -> None:
    def sync_way(client: Triverse) -> None:
        client.tasks.download(TASK, tmp_path)

    async def async_way(client: AsyncTriverse) -> None:
        await client.tasks.download(TASK, tmp_path)

    with (
        serving_files(lambda _: Sent(0)) as storage,
        serving_files(lambda _: Sent(302, {"Location": f"{storage.origin}/x?{SIGNATURE}"})) as api,
        pytest.raises(ConnectionFailedError) as broken,
    ):
        drive(mode, sync_way, async_way, base_url=api.url, max_retries=0)
    assert storage.requests[0].target == f"/x?{SIGNATURE}"
    assert b"secret" not in pickle.dumps(broken.value)
    assert isinstance(broken.value.cause, httpx.RequestError)
    assert broken.value.cause.request.url.path == "/x"
