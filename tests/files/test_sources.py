from __future__ import annotations

import array
import gzip
import io
import mmap
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import anyio
import pytest
from support.files import GIF, JPEG, PNG, WEBP, ZIP, glb

from triverse import ConfigurationError
from triverse.api import uploads
from triverse.clients.async_transfers import Opening
from triverse.core.request import FileUpload, Request
from triverse.files.source import Source
from triverse.files.sources import open_source
from triverse.files.uploads import OpenedUpload, open_upload, open_uploads

DATA = bytes(range(256)) * 1000
LIMIT = 1_000_000


def content(source: Source) -> bytes:
    return b"".join(source.chunks())


class Raw(io.RawIOBase):
    """Returns a few bytes at a time, as raw files may."""

    def __init__(self, data: bytes, *, seekable: bool) -> None:
        self._file = io.BytesIO(data)
        self._seekable = seekable

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 777))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def pipe_of(data: bytes) -> IO[bytes]:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    threading.Thread(target=write).start()
    return os.fdopen(reading, "rb")


SOURCES: dict[str, Callable[[Path], object]] = {
    "path": lambda path: path,
    "text": str,
    "bytes": lambda _: DATA,
    "bytearray": lambda _: bytearray(DATA),
    "memoryview": lambda _: memoryview(DATA),
    "array": lambda _: array.array("I", DATA),
    "file": lambda path: path.open("rb"),
    "unbuffered file": lambda path: path.open("rb", buffering=0),
    "BytesIO": lambda _: io.BytesIO(DATA),
    "raw": lambda _: Raw(DATA, seekable=True),
    "raw that cannot seek": lambda _: Raw(DATA, seekable=False),
    "pipe": lambda _: pipe_of(DATA),
    "gzip": lambda _: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(DATA))),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_each_kind_of_source_gives_the_same_bytes_each_time(kind: str, path: Path) -> None:
    given = SOURCES[kind](path)
    source = open_source(given, "source", LIMIT)
    assert source.size == len(DATA)
    assert source.head() == DATA[:32]
    assert content(source) == content(source) == DATA
    assert all(len(chunk) <= 65536 for chunk in source.chunks())
    source.close()
    if isinstance(given, io.IOBase):
        assert not given.closed
        given.close()


def test_a_mapped_file_is_a_buffer(path: Path) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        source = open_source(mapped, "source", LIMIT)
        assert content(source) == DATA
        source.close()


@pytest.mark.parametrize("offset", [0, 1, 100_000])
def test_a_file_is_read_from_its_position(path: Path, offset: int) -> None:
    with path.open("rb") as file:
        file.seek(offset)
        source = open_source(file, "source", LIMIT)
        assert content(source) == content(source) == DATA[offset:]


def test_a_spooled_file_stays_in_memory() -> None:
    with tempfile.SpooledTemporaryFile(max_size=10_000_000) as file:
        file.write(DATA)
        file.seek(5)
        source = open_source(file, "source", LIMIT)
        assert content(source) == DATA[5:]
        assert vars(file)["_rolled"] is False


def async_read() -> object:
    class File:
        async def read(self, size: int) -> bytes:
            return b"x" * size

    return File()


class NoBytes:
    """A file whose read() returns something else."""

    def __init__(self, value: object) -> None:
        self._value = value

    def read(self, _size: int) -> object:
        return self._value


def closed_file() -> object:
    file = io.BytesIO(DATA)
    file.close()
    return file


def fifo(path: Path) -> Path:
    os.mkfifo(path.with_name("fifo"))
    return path.with_name("fifo")


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def at_end() -> object:
    file = io.BytesIO(DATA)
    file.read()
    return file


def past_end() -> object:
    file = io.BytesIO(DATA)
    file.seek(10 * len(DATA))
    return file


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a directory": (lambda path: path.parent, "must name a regular file"),
    "a pipe by its path": (fifo, "must name a regular file"),
    "a device": (lambda _: Path(os.devnull), "must name a regular file"),
    "a path with NUL": (lambda _: "a\x00b", "is not a valid path"),
    "an empty file": (empty, "is empty"),
    "no bytes": (lambda _: b"", "is empty"),
    "a file at its end": (lambda _: at_end(), "is empty"),
    "a file past its end": (lambda _: past_end(), "is empty"),
    "an empty pipe": (lambda _: Raw(b"", seekable=False), "is empty"),
    "too many bytes": (lambda _: bytes(LIMIT + 1), "1,000,001 bytes"),
    "too much in a pipe": (lambda _: Raw(bytes(LIMIT + 1), seekable=False), "is larger than that"),
    "a text file": (lambda path: path.open(encoding="latin-1"), "is a text file"),
    "a text buffer": (lambda _: io.StringIO("x"), "is a text file"),
    "a file that returns text": (lambda _: NoBytes("x"), "is a text file"),
    "a file without data yet": (lambda _: NoBytes(None), "non-blocking"),
    "a file that returns lists": (lambda _: NoBytes([1]), "read() returned list"),
    "an async file": (lambda _: async_read(), "is an async file"),
    "a closed file": (lambda _: closed_file(), "was closed"),
    "None": (lambda _: None, "NoneType is none of them"),
    "a number": (lambda _: 5, "int is none of them"),
    "a list": (lambda _: [b"x"], "list is none of them"),
    "a buffer with gaps": (lambda _: memoryview(DATA)[::2], "not contiguous"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_source_that_cannot_be_uploaded_is_refused_by_its_argument(kind: str, path: Path) -> None:
    make, text = REFUSED[kind]
    given = make(path)
    with pytest.raises(ConfigurationError) as refused:
        open_source(given, "image", LIMIT)
    if isinstance(given, io.IOBase):
        given.close()
    assert str(refused.value).startswith("image")
    assert text in str(refused.value)


def test_a_missing_file_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_source(tmp_path / "missing.png", "source", LIMIT)
    with pytest.raises(FileNotFoundError):
        open_source("", "source", LIMIT)


def test_a_file_that_may_not_be_read_is_its_own_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError):
        open_source(path, "source", LIMIT)
    with pytest.raises(ConfigurationError, match="directory"):  # Windows refuses to open a directory
        open_source(path.parent, "source", LIMIT)


class OnlyRead:
    """A file of another library that only has read()."""

    def __init__(self) -> None:
        self._file = io.BytesIO(DATA)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


def test_a_file_with_nothing_but_read_is_copied_first() -> None:
    source = open_source(OnlyRead(), "source", LIMIT)
    assert content(source) == content(source) == DATA
    source.close()


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shorten(path: Path) -> None:
    os.truncate(path, 100)


def rewrite(path: Path) -> None:
    status = path.stat()
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [append, shorten, rewrite])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_path_that_changes_is_found_before_the_last_byte(
    path: Path, change: Callable[[Path], None], after: int
) -> None:
    source = open_source(path, "source", LIMIT)
    chunks = source.chunks()
    for _ in range(min(after, 3)):
        next(chunks)
    change(path)
    with pytest.raises(ConfigurationError, match="source: the source changed"):
        list(chunks)
    source.close()


def test_a_file_that_is_put_in_place_of_the_path_changes_nothing(path: Path) -> None:
    source = open_source(path, "source", LIMIT)
    other = path.with_name("other")
    other.write_bytes(b"other")
    other.replace(path)
    assert content(source) == DATA
    source.close()


@pytest.mark.parametrize("make", [bytearray, io.BytesIO])
def test_memory_that_changes_between_two_attempts_is_found(make: Callable[[bytes], bytearray | io.BytesIO]) -> None:
    memory = make(DATA)
    source = open_source(memory, "source", LIMIT)
    assert content(source) == DATA
    if isinstance(memory, bytearray):
        memory[200_000] ^= 1
    else:
        memory.getbuffer()[200_000] ^= 1
    with pytest.raises(ConfigurationError, match="changed"):
        content(source)
    source.close()


def test_memory_that_shrinks_is_found() -> None:
    memory = io.BytesIO(DATA)
    source = open_source(memory, "source", LIMIT)
    memory.truncate(100_000)
    with pytest.raises(ConfigurationError, match="changed"):
        content(source)


def request(kind: str, source: object, filename: str | None = None) -> Request[uploads.UploadedFile]:
    if kind == "image":
        return uploads.image_upload(source, "image", filename=filename)
    return uploads.model_upload(source, "model", filename=filename)


def headers(kind: str, source: object, filename: str | None = None) -> tuple[str, str]:
    upload = open_upload(request(kind, source, filename))
    sent, body = upload.request("edge")
    head = next(body.chunks()).decode()
    upload.close()
    assert sent.body is body
    assert sent.file is None
    return head.split('; filename="')[1].split('"')[0], head.split("Content-Type: ")[1].split("\r\n")[0]


@pytest.mark.parametrize(
    ("data", "filename", "expected"),
    [
        (PNG, None, ("image.png", "image/png")),
        (JPEG, None, ("image.jpg", "image/jpeg")),
        (WEBP, "photo.png", ("photo.png", "image/webp")),
    ],
)
def test_an_image_is_recognised_by_its_bytes(data: bytes, filename: str | None, expected: tuple[str, str]) -> None:
    assert headers("image", data, filename) == expected


@pytest.mark.parametrize(
    ("data", "filename", "expected"),
    [
        (glb(), None, ("model.glb", "model/gltf-binary")),
        (glb(), "x.obj", ("x.obj", "model/gltf-binary")),
        (b"v 1 2 3\n" * 9, "x.obj", ("x.obj", "model/obj")),
        (b"v 1 2 3\n" * 9, "X.STL", ("X.STL", "model/stl")),
        (b"v 1 2 3\n" * 9, None, ("model", "application/octet-stream")),
        (b"v", "x.ply", ("x.ply", "application/octet-stream")),
        (ZIP, "x.usdz", ("x.usdz", "model/vnd.usdz+zip")),
        (ZIP, "x.zip", ("x.zip", "application/zip")),
        (ZIP, "x.bin", ("x.bin", "application/zip")),
        (ZIP, None, ("model.zip", "application/zip")),
        (b"Kaydara FBX Binary  \x00", None, ("model.fbx", "application/octet-stream")),
        (PNG, "x.glb", ("x.glb", "image/png")),
    ],
)
def test_the_type_of_a_model_comes_from_its_bytes_then_from_its_name(
    data: bytes, filename: str | None, expected: tuple[str, str]
) -> None:
    assert headers("model", data, filename) == expected


def test_the_name_is_that_of_the_path_or_the_file(tmp_path: Path) -> None:
    path = tmp_path / "Säule.png"
    path.write_bytes(PNG)
    assert headers("image", path)[0] == "Säule.png"
    assert headers("image", str(path))[0] == "Säule.png"
    with path.open("rb") as file:
        assert headers("image", file)[0] == "Säule.png"
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        assert headers("image", file)[0] == "image.png"


@pytest.mark.parametrize(
    "data", [GIF, b"%PDF-1.7", b"<svg>", b'{"a": 1}', b"\x00\x00\x00\x20ftypheic", b"BM", b"text", glb()]
)
def test_any_other_image_is_refused_by_its_real_type(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^image must be a JPEG, PNG or WebP image, and is a|HTML|JSON"):
        open_upload(request("image", data))


@pytest.mark.parametrize(("kind", "limit"), [("image", 50 * 1024**2), ("model", 200 * 1024**2)])
def test_the_limit_of_each_kind_is_inclusive(kind: str, limit: int, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(PNG)
    os.truncate(path, limit)
    open_upload(request(kind, path)).close()
    os.truncate(path, limit + 1)
    with pytest.raises(ConfigurationError, match=f"at most {limit // 1024**2} MiB"):
        open_upload(request(kind, path))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_refused_file_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(PNG)
    before, opened = open_files(), list[OpenedUpload[uploads.UploadedFile]]()
    with pytest.raises(ConfigurationError):
        open_uploads([request("image", path), request("image", GIF)], opened)
    with pytest.raises(FileNotFoundError):
        open_uploads([request("image", path), request("model", tmp_path / "missing")], opened)
    (tmp_path / "x.gif").write_bytes(GIF)
    with pytest.raises(ConfigurationError):
        open_uploads([request("image", tmp_path / "x.gif")], opened)
    assert len(opened) == 2
    for upload in opened:
        upload.close()
    assert open_files() == before


def test_files_that_a_thread_opens_too_late_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(PNG)
    before = open_files()
    opening = Opening([request("image", path)])
    opening.close()
    opening.open()
    assert open_files() == before


def test_a_request_without_a_file_cannot_be_opened() -> None:
    with pytest.raises(ConfigurationError, match=r"triverse\.api\.uploads"):
        open_upload(Request("POST", "/upload/image", uploads.UploadedFile))


@pytest.mark.parametrize("filename", ["", 5, b"x.png"])
def test_a_file_name_must_be_text(filename: object) -> None:
    with pytest.raises(ConfigurationError, match="filename must be a str"):
        uploads.image(PNG, filename=filename)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose


def test_a_builder_describes_the_upload_without_opening_it() -> None:
    described = uploads.model("missing.glb", variant="textured", filename="x.glb")
    assert (described.method, described.path, described.params) == (
        "POST",
        "/upload/model",
        {"modelVariant": "textured"},
    )
    assert described.idempotent
    assert described.deadline is None
    assert uploads.image(PNG).params is None
    assert "PNG" not in repr(uploads.image(PNG))
    assert FileUpload("image", PNG) == FileUpload("image", PNG)
    with pytest.raises(ConfigurationError, match="variant must be 'geometry' or 'textured', not 'both'"):
        uploads.model(PNG, variant="both")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose


@pytest.mark.anyio
async def test_files_of_anyio_are_refused(path: Path) -> None:
    async with await anyio.open_file(path, "rb") as file:
        with pytest.raises(ConfigurationError, match="is an async file"):
            open_source(file, "source", LIMIT)
