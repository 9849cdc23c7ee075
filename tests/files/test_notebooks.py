"""A notebook shows the path that `download()` returns with a picture and a table."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import re
import struct
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import pytest
from support.clients import MODES, Mode, drive
from support.files import JPEG, PNG

from triverse import AsyncTriverse, Triverse
from triverse.files.downloaded import DownloadedFile
from triverse.sandbox import Sandbox


def download(mode: Mode, to: Path, *, preview: bool = False) -> Path:
    sandbox = Sandbox(task_seconds=0)

    def sync_way(client: Triverse) -> Path:
        task = client.tasks.wait(client.tasks.text_to_model("a brass helmet"))
        return client.tasks.download(task, to, preview=preview)

    async def async_way(client: AsyncTriverse) -> Path:
        task = await client.tasks.wait(await client.tasks.text_to_model("a brass helmet"))
        return await client.tasks.download(task, to, preview=preview)

    with sandbox.serve() as url:
        return drive(mode, sync_way, async_way, base_url=url, api_key=sandbox.demo.key)


def shown(path: Path) -> str | None:
    return cast("DownloadedFile", path)._repr_html_()  # pyright: ignore[reportPrivateUsage]  # IPython's protocol


def rows(path: Path) -> dict[str, str]:
    cells = [["".join(cell.itertext()) for cell in row] for row in tree(path).iter("tr")]
    return dict(cells)


def pictures(path: Path) -> list[bytes]:
    return [base64.b64decode(image.attrib["src"].partition(",")[2]) for image in tree(path).iter("img")]


def tree(path: Path) -> ET.Element:
    html = re.sub("(<img [^>]*)>", r"\1/>", cast("str", shown(path)))
    return ET.fromstring(f"<div>{html}</div>")  # noqa: S314 - our own text


def glb(document: object, *, kind: bytes = b"JSON") -> bytes:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + len(data), len(data), kind) + data


@pytest.mark.parametrize("mode", MODES)
def test_a_notebook_shows_the_figures_of_a_model(mode: Mode, tmp_path: Path) -> None:
    path = download(mode, tmp_path / "helmet.glb")
    assert rows(path) == {
        "path": str(tmp_path / "helmet.glb"),
        "type": "GLB model",
        "bytes": str(path.stat().st_size),
        "meshes": "1",
        "vertices": "768",
    }
    assert pictures(path) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_notebook_shows_a_preview_picture(mode: Mode, tmp_path: Path) -> None:
    path = download(mode, tmp_path, preview=True)
    assert rows(path) == {"path": str(path), "type": "PNG image", "bytes": str(path.stat().st_size)}
    assert pictures(path) == [path.read_bytes()]
    assert tree(path).findtext(".//figcaption") == path.name


@pytest.mark.parametrize("mode", MODES)
def test_a_downloaded_path_is_like_any_other(mode: Mode, tmp_path: Path) -> None:
    path, plain = download(mode, tmp_path / "helmet.glb"), tmp_path / "helmet.glb"
    assert isinstance(path, Path)
    assert (path == plain, plain == path, hash(path) == hash(plain), {plain: 1}[path]) == (True, True, True, 1)
    assert (os.fspath(path), str(path), repr(path)) == (os.fspath(plain), str(plain), repr(plain))
    assert (path.parent, path / "x", path.with_suffix(".png")) == (tmp_path, plain / "x", tmp_path / "helmet.png")
    for again in (pickle.loads(pickle.dumps(path)), copy.copy(path), copy.deepcopy(path)):  # noqa: S301 - our own
        assert again == plain
        assert type(again) is type(plain)


@pytest.mark.parametrize(("name", "picture"), [("m.png", PNG), ("m.jpg", JPEG)])
def test_a_picture_beside_a_model_is_shown_with_it(name: str, picture: bytes, tmp_path: Path) -> None:
    path = DownloadedFile(tmp_path / "m.glb")
    path.write_bytes(glb({"meshes": []}))
    path.with_name(name).write_bytes(picture)
    assert pictures(path) == [picture]
    assert tree(path).findtext(".//figcaption") == name


def test_only_pictures_of_a_fair_size_are_shown(tmp_path: Path) -> None:
    path = DownloadedFile(tmp_path / "m.glb")
    path.write_bytes(glb({"meshes": []}))
    path.with_suffix(".png").write_bytes(PNG + bytes(4 * 1024 * 1024))
    path.with_suffix(".jpg").write_bytes(b"<svg onload='alert()'/>")
    assert pictures(path) == []


@pytest.mark.parametrize(
    "content",
    [
        b"glTF",
        glb({}, kind=b"BIN\0"),
        glb(b"{"),
        glb(b"\xff"),
        glb([]),
        glb({"meshes": 1}),
        glb({"meshes": [{"primitives": [{"attributes": {"POSITION": 7}}]}], "accessors": []}),
        glb({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "accessors": [{"count": "<b>"}]}),
        glb({"meshes": [{"primitives": [{"attributes": {"POSITION": [0]}}]}]}),
        glb(b"[" * 100_000),
        glb({})[:12] + struct.pack("<I4s", 2**32 - 1, b"JSON"),
    ],
)
def test_a_model_that_cannot_be_read_has_no_figures(content: bytes, tmp_path: Path) -> None:
    path = DownloadedFile(tmp_path / "m.glb")
    path.write_bytes(content)
    assert rows(path) == {"path": str(path), "type": "GLB model", "bytes": str(len(content))}


def test_names_and_other_files_are_shown_as_text(tmp_path: Path) -> None:
    path = DownloadedFile(tmp_path / "<b>.obj")
    path.write_bytes(b"v 0 0 0")
    assert rows(path) == {"path": str(path), "bytes": "7"}


def test_a_notebook_shows_the_text_of_a_path_without_a_file(tmp_path: Path) -> None:
    assert shown(DownloadedFile(tmp_path / "gone.glb")) is None
    assert shown(DownloadedFile(tmp_path)) is None
    (tmp_path / "loop").symlink_to("loop")
    assert shown(DownloadedFile(tmp_path / "loop")) is None


def test_a_file_that_cannot_be_read_is_shown_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DownloadedFile(tmp_path / "m.glb")
    path.write_bytes(b"glTF")

    def fail(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(DownloadedFile, "open", fail)
    assert shown(path) is None
