"""If the system cannot start more threads, calls succeed or raise one of our errors, and the client still works."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Never, TypeAlias

import httpx
import pytest
from support.clients import KEY, Mode, run_async
from support.file_server import FileServer, serving_files
from support.files import PNG
from support.finished_task import MODEL, TASK, read_async_stream, read_stream, serve

from triverse import AsyncTriverse, ConnectionFailedError, DeadlineExceededError, TransportError, Triverse

each_mode = pytest.mark.parametrize("mode", ["asyncio", "trio"])
Work: TypeAlias = Callable[[Triverse, Path], object]
AsyncWork: TypeAlias = Callable[[AsyncTriverse, Path], Awaitable[object]]


class Pipe(BytesIO):
    """A file that cannot seek, so that it is copied first."""

    def seekable(self) -> bool:
        return False


def stream(client: Triverse, _: Path) -> None:
    assert read_stream(client) == MODEL


async def async_stream(client: AsyncTriverse, _: Path) -> None:
    assert await read_async_stream(client) == MODEL


async def async_balances(client: AsyncTriverse, _: Path) -> None:
    async with client.balances({"one": KEY}) as balances:
        async for account in balances:
            if account.error is not None:
                raise account.error


WORK: dict[str, Work] = {
    "balance": lambda client, _: client.users.balance(),
    "create": lambda client, _: client.tasks.text_to_mesh("a brass helmet"),
    "wait": lambda client, _: client.tasks.wait(TASK, timeout=0),
    "upload": lambda client, _: client.uploads.image(PNG),
    "upload of a pipe": lambda client, _: client.uploads.image(Pipe(PNG)),
    "download": lambda client, path: client.tasks.download(TASK, path / "x.glb", overwrite=True),
    "stream": stream,
}
ASYNC_WORK: dict[str, tuple[AsyncWork, type[TransportError], str]] = {
    "balance": (lambda client, _: client.users.balance(), ConnectionFailedError, "could not be looked up"),
    "balances": (async_balances, ConnectionFailedError, "could not be looked up"),
    "create": (lambda client, _: client.tasks.text_to_mesh("x"), ConnectionFailedError, "could not be looked up"),
    "wait": (lambda client, _: client.tasks.wait(TASK, timeout=0), DeadlineExceededError, "could not be looked up"),
    "upload": (lambda client, _: client.uploads.image(PNG), TransportError, "could not start a thread"),
    "upload of a pipe": (
        lambda client, _: client.uploads.image(Pipe(PNG)),
        TransportError,
        "could not start a thread",
    ),
    "download": (
        lambda client, path: client.tasks.download(TASK, path / "x.glb", overwrite=True),
        TransportError,
        "could not start a thread",
    ),
    "stream": (async_stream, ConnectionFailedError, "could not be looked up"),
}


def refuse_threads(patch: pytest.MonkeyPatch) -> None:
    start_thread = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith(("asyncio_", "AnyIO", "triverse-")):
            raise RuntimeError("can't start new thread")
        start_thread(thread)  # a thread of the test's server

    async def refuse(*_: object, **__: object) -> Never:
        raise RuntimeError("can't start new thread")

    patch.setattr(threading.Thread, "start", start)
    # trio keeps threads of earlier tests. anyio's trio backend has its own reference to this function.
    patch.setattr("trio.to_thread.run_sync", refuse)
    patch.setattr("anyio._backends._trio.run_sync", refuse)


def named_url(server: FileServer) -> str:
    """A URL whose host has to be looked up."""
    return server.url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("http_client", ["ours", "of the user"])
@pytest.mark.parametrize("kind", WORK)
def test_sync_calls_work_without_threads(
    kind: str, http_client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_threads(monkeypatch)
    with serving_files(serve) as server, httpx.Client() as http:
        own = http if http_client == "of the user" else None
        with Triverse(KEY, base_url=named_url(server), http_client=own) as client:
            WORK[kind](client, tmp_path)


@pytest.mark.parametrize("http_client", ["ours", "of the user"])
@pytest.mark.parametrize("kind", ASYNC_WORK)
@each_mode
def test_async_calls_fail_without_threads_and_work_afterwards(
    mode: Mode, kind: str, http_client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, expected, text = ASYNC_WORK[kind]

    async def main() -> None:
        async with httpx.AsyncClient() as http:
            own = http if http_client == "of the user" else None
            async with AsyncTriverse(KEY, base_url=named_url(server), http_client=own, max_retries=0) as client:
                with monkeypatch.context() as patch:
                    refuse_threads(patch)
                    with pytest.raises(expected, match=text) as caught:
                        await work(client, tmp_path)
                assert "hook" not in str(caught.value)
                assert getattr(caught.value, "task_may_exist", None) in {None, False}
                await work(client, tmp_path)

    with serving_files(serve) as server:
        run_async(mode, main)
        assert server.settled()


@each_mode
def test_an_upload_or_download_that_loses_its_threads_leaves_nothing(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source.png").write_bytes(PNG + bytes(4_000_000))

    async def main() -> None:
        async with AsyncTriverse(KEY, base_url=named_url(server)) as client:
            with monkeypatch.context() as patch, pytest.raises(TransportError, match="could not start a thread"):
                await client.uploads.image(tmp_path / "source.png", on_progress=lambda _: no_run_sync(patch))
            with monkeypatch.context() as patch, pytest.raises(TransportError, match="could not start a thread"):
                await client.tasks.download(TASK, tmp_path / "x.glb", on_progress=lambda _: no_run_sync(patch))
            await client.uploads.image(tmp_path / "source.png")

    with serving_files(serve) as server:
        run_async(mode, main)
        assert server.settled()
    assert [path.name for path in tmp_path.iterdir()] == ["source.png"]


def no_run_sync(patch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> Never:
        raise RuntimeError("can't start new thread")

    patch.setattr("triverse.transport.async_threads.run_sync", refuse)


def test_a_runtime_error_of_a_users_file_is_not_taken_for_missing_threads() -> None:
    class Broken(BytesIO):
        def read(self, *_: object) -> Never:
            raise RuntimeError("a fault of the file")

    async def main() -> None:
        async with AsyncTriverse(KEY) as client:
            await client.uploads.image(Broken(PNG))

    with pytest.raises(RuntimeError, match="a fault of the file"):
        run_async("asyncio", main)
