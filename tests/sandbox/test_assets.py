from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.sandbox_api import Api

from triverse.sandbox import SandboxSettings, assets

IDS = [UUID(int=number, version=4) for number in (0, 1, 12345678901234567890, 2**128 - 1)]


def content(uuid: UUID, size: int | None = None) -> bytes:
    return b"".join(assets.model(uuid, size).chunks())


@pytest.mark.parametrize("uuid", IDS, ids=str)
@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_model_opens_in_a_gltf_library(tmp_path: Path, uuid: UUID, size: int | None) -> None:
    pygltflib = pytest.importorskip("pygltflib")
    path = tmp_path / "model.glb"
    path.write_bytes(content(uuid, size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library reports the extra chunk
        document = pygltflib.GLTF2().load(str(path))
    (node,) = document.nodes
    assert node.name == str(uuid)
    assert len(document.materials[0].pbrMetallicRoughness.baseColorFactor) == 4
    positions, normals, (indices,) = (values_of(document, accessor) for accessor in document.accessors)
    assert [len(axis) for axis in positions] == [len(axis) for axis in normals] == [24 * 32] * 3
    assert len(indices) == 23 * 32 * 2 * 3
    assert max(indices) < 24 * 32
    assert [min(axis) for axis in positions] == document.accessors[0].min
    assert [max(axis) for axis in positions] == document.accessors[0].max
    width, height, depth = (max(axis) - min(axis) for axis in positions)
    assert 0.3 < width < 2.5
    assert depth == pytest.approx(width)
    assert height == pytest.approx(2.0)


def values_of(document: Any, accessor: Any) -> list[list[float]]:
    """Return the numbers of an accessor, a list for each component."""
    view = document.bufferViews[accessor.bufferView]
    width = {"SCALAR": 1, "VEC3": 3}[accessor.type]
    kind = {5126: "f", 5125: "I"}[accessor.componentType]
    start = view.byteOffset + (accessor.byteOffset or 0)
    values = struct.unpack_from(f"<{accessor.count * width}{kind}", document.binary_blob(), start)
    return [list(values[component::width]) for component in range(width)]


@pytest.mark.parametrize("size", [None, 10, 37_000, 1_000_001])
def test_the_header_of_a_model_states_its_length(size: int | None) -> None:
    glb = content(IDS[2], size)
    assert int.from_bytes(glb[8:12], "little") == len(glb) == assets.model(IDS[2], size).size
    assert len(glb) % 4 == 0
    assert len(glb) >= (size or 0)
    assert len(glb) == len(content(IDS[2])) or len(glb) < (size or 0) + 4


def test_a_model_of_300_mb_is_not_held_in_memory() -> None:
    model = assets.model(IDS[0], 300_000_000)
    assert model.size == 300_000_000
    assert sum(map(len, model.chunks(299_000_000))) == 1_000_000


def test_tasks_have_different_models_and_colours() -> None:
    assert len({content(uuid) for uuid in IDS}) == len({assets.preview(uuid) for uuid in IDS}) == len(IDS)


@pytest.mark.parametrize("uuid", IDS, ids=str)
def test_a_preview_is_a_picture(uuid: UUID) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = image.open(io.BytesIO(assets.preview(uuid)))
    assert (picture.format, picture.size) == ("PNG", (192, 192))
    colours = picture.convert("RGB").getcolors(maxcolors=100_000)
    assert len(colours) > 10


def test_the_sandbox_returns_the_same_bytes_as_a_download() -> None:
    api = Api(SandboxSettings(model_bytes=100_000), task_seconds=0)
    task = api.create()
    assert api.sandbox.model_of(task) == api.http.get(f"/tasks/download/{task.uuid}").content
    assert len(api.sandbox.model_of(task)) == 100_000
    url = api.get(f"/tasks/url/{task.uuid}")[1]["preview_url"]
    assert api.sandbox.preview_of(task) == api.anonymous.get(url).content
