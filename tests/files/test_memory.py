"""Peak memory of new processes that transfer hundreds of megabytes."""

from __future__ import annotations

import mmap
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support.file_server import Sent, accepted, serving_files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
UP, DOWN = 200_000_000, 300_000_000
ALLOWED = 16 * 1024  # KiB

HEAD = """
import os, sys, anyio
from pathlib import Path
from triverse import AsyncTriverse, Triverse

url, path, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
KEY, TASK = "tv-key-for-tests-0123456789", "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
PNG = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(100)

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def report(before):
    print(peak() - before)

def progress(_):
    pass
"""
SYNC = """
with Triverse(KEY, base_url=url) as client:
    client.uploads.image(PNG)
    source = path.read_bytes() if "bytes" in sys.argv else path
    before = peak()
    WORK
    report(before)
"""
ASYNC = """
async def main():
    async with AsyncTriverse(KEY, base_url=url) as client:
        await client.uploads.image(PNG)
        source = path.read_bytes() if "bytes" in sys.argv else path
        before = peak()
        WORK
        report(before)

anyio.run(main, backend=sys.argv[4])
"""
UPLOAD = "client.uploads.model(source, on_progress=progress)"
DOWNLOAD = "client.tasks.download(TASK, path.with_name('out.glb'), overwrite=True, on_progress=progress)"
STREAM = "with client.tasks.stream(TASK) as download:\n        assert sum(map(len, download)) == size"
ASYNC_STREAM = (
    "async with client.tasks.stream(TASK) as download:\n"
    "            assert sum([len(chunk) async for chunk in download]) == size"
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse GLB."""
    path = tmp_path_factory.mktemp("large") / "large.glb"
    path.write_bytes(b"glTF" + struct.pack("<II", 2, DOWN))
    os.truncate(path, DOWN)
    return path


@pytest.fixture(scope="module")
def url(large: Path) -> Generator[str]:
    """Run a server of the large file, which it maps into memory."""
    with large.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        response = Sent(headers={"ETag": '"large"'}, body=mapped)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as bytes
        with serving_files(lambda got: accepted(got) if got.method == "POST" else response) as server:
            yield server.url


def extra_memory(code: str, *arguments: str) -> int:
    done = subprocess.run([sys.executable, "-c", HEAD + code, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("mode", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_an_upload_of_200_megabytes_needs_little_memory(mode: str, kind: str, url: str, tmp_path: Path) -> None:
    path = tmp_path / "large.glb"
    path.write_bytes(b"glTF" + struct.pack("<II", 2, UP))
    os.truncate(path, UP)
    code = SYNC.replace("WORK", UPLOAD) if mode == "sync" else ASYNC.replace("WORK", f"await {UPLOAD}")
    assert extra_memory(code, url, str(path), str(UP), mode, kind) <= ALLOWED


@pytest.mark.parametrize("mode", ["sync", "asyncio", "trio"])
def test_a_download_of_300_megabytes_needs_little_memory(mode: str, url: str, tmp_path: Path) -> None:
    code = SYNC.replace("WORK", DOWNLOAD) if mode == "sync" else ASYNC.replace("WORK", f"await {DOWNLOAD}")
    assert extra_memory(code, url, str(tmp_path / "x.png"), str(DOWN), mode) <= ALLOWED
    assert (tmp_path / "out.glb").stat().st_size == DOWN
    (tmp_path / "out.glb").unlink()


@pytest.mark.parametrize("mode", ["sync", "asyncio", "trio"])
def test_a_stream_of_300_megabytes_needs_little_memory(mode: str, url: str, tmp_path: Path) -> None:
    code = SYNC.replace("WORK", STREAM) if mode == "sync" else ASYNC.replace("WORK", ASYNC_STREAM)
    assert extra_memory(code, url, str(tmp_path / "x.png"), str(DOWN), mode) <= ALLOWED


APPLICATION = """
import contextlib, uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

client = AsyncTriverse(KEY, base_url=url)
app = FastAPI()

@app.get("/peak")
async def peak_now():
    return peak()

@app.get("/file")
async def file():
    async def chunks():
        async with client.tasks.stream(TASK) as download:
            async for chunk in download:
                yield chunk
    return StreamingResponse(chunks(), media_type="model/gltf-binary")

uvicorn.run(app, fd=int(sys.argv[4]), log_level="error")
"""


def test_fastapi_passes_300_megabytes_on_in_little_memory(url: str, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-c", HEAD + APPLICATION, url, str(tmp_path), str(DOWN), str(descriptor)]
        with (
            subprocess.Popen(command, pass_fds=[descriptor]) as process,  # noqa: S603 - our own code
            httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as browser,
        ):
            before = browser.get("/peak").json()
            with browser.stream("GET", "/file") as response:
                assert response.headers["content-type"] == "model/gltf-binary"
                assert sum(map(len, response.iter_raw())) == DOWN
            assert browser.get("/peak").json() - before <= ALLOWED
            # If a browser closes the connection early, the stream ends, and the application still responds.
            with browser.stream("GET", "/file") as response:
                next(response.iter_raw())
            assert browser.get("/peak").json() - before <= ALLOWED
            process.terminate()
