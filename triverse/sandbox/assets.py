"""The results of tasks: a small GLB that differs by task and opens in a viewer, and a PNG of it.

The model is a vase: a profile that is turned round its axis. Profile and colour depend on the id of the task.
"""

from __future__ import annotations

import colorsys
import json
import math
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Final
from uuid import UUID

from triverse.sandbox.content import Bytes, Content, Joined, Repeated

__all__ = ["model", "preview"]

_RINGS: Final = 24
_SIDES: Final = 32
_HEIGHT: Final = 2.0
_PIXELS: Final = 192
_BACKGROUND: Final = (244, 245, 248)
_PADDING: Final = Repeated(bytes(64 * 1024), 0)
_FLOAT, _UNSIGNED_INT, _VERTICES, _INDICES = 5126, 5125, 34962, 34963


@lru_cache(maxsize=64)
def model(uuid: UUID, size: int | None = None) -> Content:
    """Return the GLB of a task.

    Args:
        uuid: of the task.
        size: to which an extra chunk pads the file, which viewers skip; None for no such chunk.
    """
    glb = _glb(uuid)
    padding = 0 if size is None else (size - len(glb) - 8 + 3) // 4 * 4
    if padding <= 0:
        return Bytes(glb)
    header = struct.pack("<4sII", b"glTF", 2, len(glb) + 8 + padding)
    start = header + glb[len(header) :] + struct.pack("<I4s", padding, b"PAD\0")
    return Joined((Bytes(start), Repeated(_PADDING.block, padding)))


def _glb(uuid: UUID) -> bytes:
    positions, normals, triangles = _mesh(_profile(uuid))
    blobs = [struct.pack(f"<{len(values)}f", *values) for values in (positions, normals)]
    blobs.append(struct.pack(f"<{len(triangles)}I", *triangles))
    document = json.dumps(_document(uuid, positions, len(triangles), [len(blob) for blob in blobs])).encode()
    document += b" " * (-len(document) % 4)
    binary = b"".join(blobs)
    chunks = _glb_chunk(b"JSON", document) + _glb_chunk(b"BIN\0", binary)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _glb_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<I4s", len(data), name) + data


def _document(uuid: UUID, positions: list[float], indices: int, sizes: list[int]) -> Mapping[str, object]:
    red, green, blue = _colour(uuid)
    vertices = len(positions) // 3
    corners = [positions[axis::3] for axis in range(3)]
    return {
        "asset": {"version": "2.0", "generator": "triverse sandbox"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": str(uuid)}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}]},
        ],
        "materials": [
            {
                "name": "glaze",
                "doubleSided": True,
                "pbrMetallicRoughness": {
                    "baseColorFactor": [red, green, blue, 1.0],
                    "metallicFactor": 0.1,
                    "roughnessFactor": 0.35,
                },
            }
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": _FLOAT,
                "count": vertices,
                "type": "VEC3",
                "min": [min(values) for values in corners],
                "max": [max(values) for values in corners],
            },
            {"bufferView": 1, "componentType": _FLOAT, "count": vertices, "type": "VEC3"},
            {"bufferView": 2, "componentType": _UNSIGNED_INT, "count": indices, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": sum(sizes[:number]), "byteLength": sizes[number], "target": target}
            for number, target in enumerate((_VERTICES, _VERTICES, _INDICES))
        ],
        "buffers": [{"byteLength": sum(sizes)}],
    }


def _colour(uuid: UUID) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb((uuid.int % 360) / 360, 0.6, 0.8)


def _profile(uuid: UUID) -> list[float]:
    """The radius of each ring, from the foot to the rim."""
    random = Random(uuid.int)  # noqa: S311 - a shape, no secret
    belly, neck, waves = random.uniform(0.5, 0.9), random.uniform(0.15, 0.35), random.randint(1, 3)
    heights = [ring / (_RINGS - 1) for ring in range(_RINGS)]
    radii = [neck + (belly - neck) * math.sin(math.pi * height**0.8) for height in heights]
    return [radius * (1 + 0.08 * math.sin(waves * 2 * math.pi * h)) for radius, h in zip(radii, heights, strict=True)]


def _as_float32(value: float) -> float:
    """The value as it is stored, so that the stated minimum and maximum are exact."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _mesh(profile: list[float]) -> tuple[list[float], list[float], list[int]]:
    positions: list[float] = []
    normals: list[float] = []
    for ring, radius in enumerate(profile):
        slope = profile[min(ring + 1, _RINGS - 1)] - profile[max(ring - 1, 0)]
        rise = 2 * _HEIGHT / (_RINGS - 1)
        length = math.hypot(rise, slope)
        for side in range(_SIDES):
            angle = 2 * math.pi * side / _SIDES
            x, z = math.cos(angle), math.sin(angle)
            positions += map(_as_float32, (radius * x, _HEIGHT * ring / (_RINGS - 1), radius * z))
            normals += (x * rise / length, -slope / length, z * rise / length)
    return positions, normals, [index for ring in range(_RINGS - 1) for index in _triangles(ring)]


def _triangles(ring: int) -> list[int]:
    indices: list[int] = []
    for side in range(_SIDES):
        here, right = ring * _SIDES + side, ring * _SIDES + (side + 1) % _SIDES
        indices += (here, here + _SIDES, right, right, here + _SIDES, right + _SIDES)
    return indices


@lru_cache(maxsize=64)
def preview(uuid: UUID) -> bytes:
    """Return a PNG that shows the model of a task from the front."""
    profile = _profile(uuid)
    rows = b"".join(b"\0" + _row(profile, uuid, row) for row in range(_PIXELS))
    header = struct.pack(">2I5B", _PIXELS, _PIXELS, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in chunks)


def _row(profile: list[float], uuid: UUID, row: int) -> bytes:
    height = (1 - row / (_PIXELS - 1)) * 1.2 - 0.1
    radius = profile[round(height * (_RINGS - 1))] if 0 <= height <= 1 else 0.0
    pixels = bytearray()
    for column in range(_PIXELS):
        across = (column / (_PIXELS - 1) - 0.5) * 2.4
        inside = abs(across) < radius
        light = 0.45 + 0.55 * math.sqrt(max(0.0, 1 - ((across / radius) + 0.3) ** 2)) if inside else 0.0
        pixels += bytes(round(255 * part * light) for part in _colour(uuid)) if inside else bytes(_BACKGROUND)
    return bytes(pixels)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
