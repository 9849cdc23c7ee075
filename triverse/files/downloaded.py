"""The path of a downloaded file, which a notebook shows as a picture and a table."""

from __future__ import annotations

import base64
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from triverse.core.file_types import GLB, HEAD_BYTES, IMAGE_TYPES, FileType, detect
from triverse.core.html_table import html_table

__all__ = ["DownloadedFile"]

if TYPE_CHECKING:
    _PlatformPath = Path
else:
    # Before Python 3.12 only the class of the platform can have subclasses.
    _PlatformPath = type(Path())

_PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
# A notebook stores every picture that it shows.
_MAX_PICTURE_BYTES: Final = 4 * 1024 * 1024
_MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
# A GLB is a header and chunks. The first chunk is JSON: its length, its type, its bytes.
_CHUNK_LENGTH: Final = slice(12, 16)
_CHUNK_TYPE: Final = slice(16, 20)
_NOT_A_DOCUMENT: Final = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


class DownloadedFile(_PlatformPath):
    """A `Path` like any other, which a notebook shows as the picture or the model that was downloaded.

    It looks only at files: the one that was downloaded and, for a model, a picture of the same name beside it.
    """

    def __reduce__(self) -> tuple[type[Path], tuple[str, ...]]:
        # Another process may not have this package.
        return Path, self.parts

    def __repr__(self) -> str:
        return repr(Path(self))

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; None, so that it shows the text, if the file is not there any more."""
        try:
            return _show(self)
        except OSError:
            return None


def _show(path: Path) -> str | None:
    if not path.is_file():
        return None
    kind = _kind(path)
    is_model = kind is GLB
    pictures = [path.with_suffix(suffix) for suffix in _PICTURE_SUFFIXES] if is_model else [path]
    fields = {
        "path": str(path),
        "type": kind and kind.name.partition(" ")[2],
        "bytes": path.stat().st_size,
        **(_figures(path) if is_model else {}),
    }
    return next((html for found in pictures if (html := _picture(found))), "") + html_table(path.name, fields)


def _kind(path: Path) -> FileType | None:
    with path.open("rb") as file:
        return detect(file.read(HEAD_BYTES))


def _picture(path: Path) -> str:
    """Return a picture of this file with its name; "" if it is none, or a large one."""
    if not path.is_file() or path.stat().st_size > _MAX_PICTURE_BYTES:
        return ""
    kind = _kind(path)
    if kind not in IMAGE_TYPES:
        return ""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    name = escape(path.name)
    return (
        f'<figure style="margin:0"><img src="data:{kind.content_type};base64,{data}" alt="{name}" '
        f'style="max-width:100%;max-height:20em"><figcaption>{name}</figcaption></figure>'
    )


def _figures(path: Path) -> dict[str, object]:
    """Return how much there is in a GLB, by its JSON; nothing if that cannot be read."""
    with path.open("rb") as file:
        head = file.read(_CHUNK_TYPE.stop)
        length = int.from_bytes(head[_CHUNK_LENGTH], "little")
        if head[_CHUNK_TYPE] != b"JSON" or length > _MAX_DOCUMENT_BYTES:
            return {}
        data = file.read(length)
    try:
        document = json.loads(data)
        primitives = [primitive for mesh in document["meshes"] for primitive in mesh["primitives"]]
        # Primitives may share their vertices.
        positions = {primitive["attributes"]["POSITION"] for primitive in primitives}
        vertices = sum(document["accessors"][number]["count"] for number in positions)
        return {"meshes": len(document["meshes"]), "vertices": vertices}
    except _NOT_A_DOCUMENT:
        return {}
