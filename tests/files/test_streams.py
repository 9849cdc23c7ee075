from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest
from support.clients import KEY, MODES, Mode, drive, run_async
from support.file_server import Cut, FileServer, Got, Handler, Sent, file_response, serving_files
from support.files import PNG, glb

from triverse import (
    AsyncTriverse,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    Triverse,
)

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
FILE = glb(400_000)


def file(**how: object) -> Handler:
    return lambda got: file_response(FILE, got, **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types


def read(
    mode: Mode, server: FileServer, chunks: list[bytes], max_retries: int = 2, **how: object
) -> tuple[str, str, int | None]:
    """Append the chunks of a stream to the list. Return its name, type and size."""

    def sync_way(client: Triverse) -> tuple[str, str, int | None]:
        with client.tasks.stream(TASK, **how) as download:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types
            chunks.extend(download)
            return download.filename, download.content_type, download.size

    async def async_way(client: AsyncTriverse) -> tuple[str, str, int | None]:
        async with client.tasks.stream(TASK, **how) as download:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types
            async for chunk in download:
                chunks.append(chunk)  # noqa: PERF401 - chunks before an error are kept too
            return download.filename, download.content_type, download.size

    return drive(mode, sync_way, async_way, base_url=server.url, max_retries=max_retries)


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_is_read_in_small_chunks(mode: Mode) -> None:
    chunks: list[bytes] = []
    with serving_files(file(name="../Helm.bin")) as server:
        assert read(mode, server, chunks) == ("Helm.glb", "application/octet-stream", len(FILE))
        assert server.settled()
    assert b"".join(chunks) == FILE
    assert all(0 < len(chunk) <= 65536 for chunk in chunks)


@pytest.mark.parametrize("mode", MODES)
def test_the_rest_of_a_stream_can_be_read_at_once(mode: Mode) -> None:
    def sync_way(client: Triverse) -> tuple[bytes, bytes, bytes, int | None]:
        with client.tasks.stream(TASK) as download:
            first = next(iter(download))
            return first, download.read(), download.read(), download.size

    async def async_way(client: AsyncTriverse) -> tuple[bytes, bytes, bytes, int | None]:
        async with client.tasks.stream(TASK) as download:
            first = await anext(aiter(download))
            return first, await download.read(), await download.read(), download.size

    with serving_files(file(chunked=True, name=None)) as server:
        first, rest, nothing, size = drive(mode, sync_way, async_way, base_url=server.url)
    assert first + rest == FILE
    assert nothing == b""
    assert size is None


@pytest.mark.parametrize("mode", MODES)
def test_the_request_is_made_on_entering_and_leaving_closes_the_connection(mode: Mode) -> None:
    with serving_files(lambda _: Sent(body=FILE, stall=200_000)) as server:

        def sync_way(client: Triverse) -> None:
            download = client.tasks.stream(TASK)
            assert server.requests == []
            with download:
                assert len(server.requests) == 1
                assert len(next(download)) > 0
            assert server.settled()
            with pytest.raises(ConfigurationError, match="not open"):
                next(download)

        async def async_way(client: AsyncTriverse) -> None:
            download = client.tasks.stream(TASK)
            assert server.requests == []
            async with download:
                assert len(server.requests) == 1
                assert len(await anext(download)) > 0
            assert await anyio.to_thread.run_sync(server.settled)
            with pytest.raises(ConfigurationError, match="not open"):
                await anext(download)

        drive(mode, sync_way, async_way, base_url=server.url)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.usefixtures("no_backoff")
def test_a_stream_that_breaks_anywhere_is_continued(mode: Mode, reset: bool) -> None:  # noqa: FBT001 - a parameter
    handlers = [file(cut=Cut(len(FILE) * percent // 100, reset)) for percent in range(5, 100, 5)]
    for handler in handlers:
        chunks: list[bytes] = []
        with serving_files(handler, file()) as server:
            read(mode, server, chunks)
        assert b"".join(chunks) == FILE


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
@pytest.mark.usefixtures("no_backoff")
def test_a_stream_that_cannot_be_continued_raises(mode: Mode, etag: str | None) -> None:
    for percent in range(5, 100, 5):
        chunks: list[bytes] = []
        with serving_files(file(cut=Cut(len(FILE) * percent // 100), etag=etag), file()) as server:
            with pytest.raises(ConnectionFailedError):
                read(mode, server, chunks)
            assert len(server.requests) == 1
        assert FILE.startswith(b"".join(chunks))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("no_backoff")
def test_a_stream_that_breaks_before_its_first_byte_begins_once_more(mode: Mode) -> None:
    chunks: list[bytes] = []
    with serving_files(lambda _: Sent(0), file(cut=Cut(10), etag=None), file()) as server:
        read(mode, server, chunks)
    assert b"".join(chunks) == FILE


@pytest.mark.parametrize("mode", MODES)
def test_an_error_on_entering_leaves_nothing_open(mode: Mode) -> None:
    with serving_files(lambda _: Sent(headers={"Content-Type": "text/html"}, body=b"<html>")) as server:
        with pytest.raises(InvalidResponseError):
            read(mode, server, [])
        assert server.settled()


@pytest.mark.parametrize("mode", MODES)
def test_the_timeout_bounds_the_whole_stream(mode: Mode) -> None:
    chunks: list[bytes] = []
    with serving_files(lambda _: Sent(body=FILE, stall=100_000)) as server:
        with pytest.raises(DeadlineExceededError):
            read(mode, server, chunks, timeout=0.3)
        assert server.settled()
        with pytest.raises(ConfigurationError, match="timeout"):
            read(mode, server, [], timeout=0)
    assert b"".join(chunks) == FILE[:100_000]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_read_cannot_be_taken_up_again(backend: Mode) -> None:
    async def main() -> None:
        with serving_files(lambda _: Sent(body=FILE, stall=100_000)) as server:
            async with AsyncTriverse(KEY, base_url=server.url) as client, client.tasks.stream(TASK) as download:
                with anyio.move_on_after(0.2):
                    await download.read()
                with pytest.raises(ConfigurationError, match="not open"):
                    await download.read()
                assert await anyio.to_thread.run_sync(server.settled)

    run_async(backend, main)


@pytest.mark.parametrize("mode", MODES)
def test_a_preview_is_a_stream_too(mode: Mode) -> None:
    chunks: list[bytes] = []
    with serving_files(lambda _: Sent(body=PNG)) as storage:
        url = f"{storage.origin}/p?signature=1"

        def urls(_: Got) -> Sent:
            data = f'{{"code": 0, "message": "", "data": {{"download_url": "{url}", "preview_url": "{url}"}}}}'
            return Sent(body=data.encode())

        with serving_files(urls) as server:
            assert read(mode, server, chunks, preview=True) == (f"{TASK}.png", "application/octet-stream", len(PNG))
        assert "authorization" not in storage.requests[0].headers
    assert b"".join(chunks) == PNG


def test_an_abandoned_stream_of_a_generator_is_closed() -> None:
    async def main() -> None:
        with serving_files(lambda _: Sent(body=FILE, stall=200_000)) as server:
            async with AsyncTriverse(KEY, base_url=server.url) as client:

                async def chunks() -> AsyncGenerator[bytes]:
                    async with client.tasks.stream(TASK) as download:
                        async for chunk in download:
                            yield chunk

                generator = chunks()
                assert await anext(generator)
                await generator.aclose()
                assert await anyio.to_thread.run_sync(server.settled)

    run_async("asyncio", main)
    run_async("trio", main)
