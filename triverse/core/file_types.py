"""File types by their first bytes, and content types of models by file name.

A table of our own: Python's `mimetypes` reads tables of the operating system, which differ and are empty in many
containers.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = [
    "FBX",
    "GLB",
    "GLB_HEADER_BYTES",
    "HEAD_BYTES",
    "IMAGE_TYPES",
    "JPEG",
    "PNG",
    "WEBP",
    "ZIP",
    "FileType",
    "content_type_by_name",
    "describe",
    "detect",
    "glb_length",
    "suffix_of",
]

HEAD_BYTES: Final = 32
"""The number of first bytes that `detect()` and `describe()` need."""

GLB_HEADER_BYTES: Final = 12
_GLB_LENGTH: Final = slice(8, GLB_HEADER_BYTES)


@frozen
class FileType:
    """A type that is recognised by its bytes.

    Attributes:
        name: for messages.
        content_type: for the `Content-Type` header.
        suffixes: of file names, the usual one first.
    """

    name: str
    content_type: str
    suffixes: tuple[str, ...]


GLB: Final = FileType("a GLB model", "model/gltf-binary", (".glb", ".vrm"))
PNG: Final = FileType("a PNG image", "image/png", (".png",))
JPEG: Final = FileType("a JPEG image", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"))
WEBP: Final = FileType("a WebP image", "image/webp", (".webp",))
ZIP: Final = FileType("a ZIP archive", "application/zip", (".zip", ".usdz", ".3mf"))
# FBX has no registered content type.
FBX: Final = FileType("an FBX model", "application/octet-stream", (".fbx",))

IMAGE_TYPES: Final = frozenset({JPEG, PNG, WEBP})

_MAGIC: Final = (
    (b"glTF", GLB),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"Kaydara FBX Binary", FBX),
)
# Only for messages about files that are refused.
_NAMED: Final = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF-", "a PDF document"),
    (b"<", "HTML, XML or SVG text"),
    (b"{", "JSON text"),
)
_IMAGE_BRANDS: Final = frozenset({b"avif", b"heic", b"heix", b"mif1"})

# The registered types. Others, such as PLY, have none.
_MODEL_TYPES: Final = {
    ".3mf": "model/3mf",
    ".dae": "model/vnd.collada+xml",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".mtl": "model/mtl",
    ".obj": "model/obj",
    ".step": "model/step",
    ".stl": "model/stl",
    ".stp": "model/step",
    ".usda": "model/vnd.usda",
    ".usdz": "model/vnd.usdz+zip",
    ".vrm": "model/gltf-binary",
    ".wrl": "model/vrml",
    ".x3d": "model/x3d+xml",
    ".zip": "application/zip",
}


def detect(head: bytes) -> FileType | None:
    """Return the type that these first bytes belong to; None if it is not one of ours."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((found for magic, found in _MAGIC if head.startswith(magic)), None)


def describe(head: bytes) -> str:
    """Name the type of these first bytes for a message."""
    found = detect(head)
    if found is not None:
        return found.name
    if head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return "a HEIC or AVIF image"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((name for magic, name in _NAMED if start.startswith(magic)), "a file of an unknown type")


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case, with its dot; "" if it has none."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def content_type_by_name(name: str) -> str:
    """Return the content type of a model file with this name."""
    return _MODEL_TYPES.get(suffix_of(name), "application/octet-stream")


def glb_length(head: bytes) -> int | None:
    """Return the length of the file that a GLB header contains; None if the bytes are not a whole GLB header."""
    if len(head) < GLB_HEADER_BYTES or detect(head) is not GLB:
        return None
    return int.from_bytes(head[_GLB_LENGTH], "little")
