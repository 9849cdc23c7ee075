from __future__ import annotations

import gc
import hashlib
import subprocess
import sys

import pytest
from support.sandbox_api import GLB, PNG, Api
from support.shell import environment

from triverse.sandbox import Fault, Sandbox, SandboxSettings
from triverse.sandbox.spool import Spool

JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
WEBP = b"RIFF\x10\0\0\0WEBP" + bytes(20)


@pytest.mark.parametrize(
    ("content", "extension", "media_type"),
    [(PNG, "png", "image/png"), (JPEG, "jpg", "image/jpeg"), (WEBP, "webp", "image/webp")],
    ids=["png", "jpeg", "webp"],
)
def test_an_image_is_stored_under_its_key(content: bytes, extension: str, media_type: str) -> None:
    api = Api()
    status, data = api.upload(content)
    assert status == 200
    (upload,) = api.account.uploads
    assert data == {"file_key": upload.file_key}
    assert upload.file_key.startswith(f"tasks/uid_{api.account.id}/20260101/")
    assert upload.file_key.endswith(f".{extension}")
    assert (upload.kind, upload.content_type, upload.filename, upload.size) == (
        "image",
        media_type,
        "a.png",
        len(content),
    )
    assert upload.read() == content
    assert upload.sha256 == hashlib.sha256(content).hexdigest()
    assert api.account.uploads.find(upload.file_key) is upload
    assert api.account.uploads.find("another") is None


@pytest.mark.parametrize(("variant", "query"), [(None, ""), ("geometry", "?modelVariant=geometry")])
def test_a_model_is_stored_with_its_variant(variant: str | None, query: str) -> None:
    api = Api()
    files = {"file": ("part.OBJ", b"v 0 0 0", "model/obj")}
    response = api.http.post(f"/upload/model{query}", files=files)
    assert response.status_code == 200
    (upload,) = api.account.uploads
    assert (upload.kind, upload.variant, upload.content_type) == ("model", variant, "model/obj")
    assert upload.file_key.endswith(".obj")


def test_an_unknown_variant_is_refused() -> None:
    response = Api().http.post("/upload/model?modelVariant=both", files={"file": ("a.glb", GLB)})
    assert (response.status_code, response.json()["code"]) == (400, 1004)


@pytest.mark.parametrize("filename", ["noext", "a.b/../c.ä", "x." + "y" * 40, "."])
def test_a_key_has_a_harmless_extension(filename: str) -> None:
    api = Api()
    upload = api.account.uploads.add(b"anything", filename=filename)
    assert upload.file_key.endswith(".bin")
    assert upload.content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("content", "code"), [(b"GIF89a", 2004), (b"", 1004), (b"<html>", 2004)], ids=["gif", "empty", "html"]
)
def test_another_file_is_no_image(content: bytes, code: int) -> None:
    api = Api()
    status, error = api.upload(content)
    assert (status, error["code"]) == (400, code)
    assert not api.account.uploads


@pytest.mark.parametrize(
    "files", [{"picture": ("a.png", PNG)}, {"file": (None, PNG)}], ids=["another name", "no file name"]
)
def test_the_part_must_be_a_file_with_the_documented_name(files: dict[str, tuple[str | None, bytes]]) -> None:
    response = Api().http.post("/upload/image", files=files)
    assert (response.status_code, response.json()["code"]) == (400, 1004)


def test_a_body_that_is_no_form_is_refused() -> None:
    response = Api().http.post("/upload/image", content=PNG, headers={"Content-Type": "image/png"})
    assert (response.status_code, response.json()["code"]) == (400, 1004)


@pytest.mark.parametrize("kind", ["image", "model"])
def test_a_file_above_the_limit_is_refused(kind: str) -> None:
    api = Api(SandboxSettings(max_image_bytes=100, max_model_bytes=100))
    assert api.upload(PNG.ljust(100, b"\0"), kind=kind)[0] == 200
    status, error = api.upload(PNG.ljust(101, b"\0"), kind=kind)
    assert (status, error["code"]) == (400, 1004)
    assert "larger than 100 bytes" in error["message"]


def test_a_file_far_above_the_limit_is_refused_by_its_stated_length() -> None:
    api = Api(SandboxSettings(max_image_bytes=100, max_model_bytes=100))
    status, error = api.upload(PNG.ljust(3_000_000, b"\0"))
    assert (status, error["code"]) == (400, 1004)
    assert "larger than 100 bytes" in error["message"]


def test_moderation_refuses_an_image() -> None:
    api = Api(SandboxSettings(moderation=lambda content: content.endswith(b"!")))
    assert api.upload(PNG)[0] == 200
    status, error = api.upload(PNG + b"!")
    assert (status, error["code"]) == (400, 2008)
    assert len(api.account.uploads) == 1


def test_ten_uploads_in_sixty_seconds() -> None:
    api = Api()
    statuses = [api.upload(kind="image" if number % 2 else "model")[0] for number in range(11)]
    assert statuses == [200] * 10 + [429]
    api.clock.now += 59
    assert api.upload()[1]["code"] == 2000
    api.clock.now += 1
    assert api.upload()[0] == 200


def test_a_fault_before_the_work_stores_no_file_and_one_after_it_does() -> None:
    api = Api()
    api.sandbox.faults.add(Fault(status=503), times=1)
    api.sandbox.faults.add(Fault.html(), times=1)
    assert [api.http.post("/upload/image", files={"file": ("a.png", PNG)}).status_code for _ in range(2)] == [503, 502]
    assert not api.account.uploads
    api.sandbox.faults.add(Fault(status=503, processed=True), times=1)
    assert api.upload()[0] == 503
    assert len(api.account.uploads) == 1


def test_the_uploads_of_an_account_are_a_sequence() -> None:
    api = Api()
    uploads = [api.account.uploads.add(bytes(number)) for number in range(3)]
    assert list(api.account.uploads) == uploads
    assert list(api.account.uploads[1:]) == uploads[1:]
    assert uploads[0].file_key in repr(api.account.uploads)
    assert b"".join(uploads[2].chunks(1)) == b"\0"


# Prints the peak memory of a process that sends and stores 100 MiB, less the memory that it needs for 1 byte.
_PROGRAM = """
import io, resource, sys
import httpx
from triverse.sandbox import Sandbox
from triverse.sandbox.mock_transport import Transport

size, way = int(sys.argv[1]), sys.argv[2]
sandbox = Sandbox()

def body():
    yield b'--B\\r\\nContent-Disposition: form-data; name="file"; filename="a.glb"\\r\\n\\r\\n'
    for at in range(0, size, 65536):
        yield bytes(min(65536, size - at))
    yield b"\\r\\n--B--\\r\\n"

def send(http, url):
    headers = {"Authorization": f"Bearer {sandbox.demo.key}", "Content-Type": "multipart/form-data; boundary=B"}
    assert http.post(f"{url}/upload/model", content=body(), headers=headers, timeout=60).status_code == 200
    assert sandbox.demo.uploads[0].size == size

if way == "served":
    with sandbox.serve() as url, httpx.Client() as http:
        send(http, url)
else:
    send(httpx.Client(transport=Transport(sandbox)), "http://127.0.0.1/api/v1")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("way", ["served", "in process"])
def test_a_large_upload_takes_little_memory(way: str) -> None:
    def peak(size: int) -> int:
        command = [sys.executable, "-W", "error", "-c", _PROGRAM, str(size), way]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())  # noqa: S603 - our own program
        assert (done.returncode, done.stderr) == (0, "")
        return int(done.stdout)

    assert peak(100 * 1024 * 1024) - peak(1) < 24 * 1024


def test_a_body_that_was_interrupted_before_it_had_a_file_is_dropped_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("triverse.sandbox.spool.SpooledTemporaryFile", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Spool(Sandbox(), "/api/v1/upload/image")
    gc.collect()  # pytest reports an error in a finalizer as a warning
