"""Changes to usual responses, for faults by name."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from typing import Final, cast

from attrs import evolve

from triverse.sandbox.content import Bytes, Joined, Slice
from triverse.sandbox.http import SandboxResponse

__all__ = ["mistyped", "shifted", "whole", "with_glb_length", "with_headers"]

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_GLB_HEADER: Final = struct.Struct("<4sII")
_GLB_PREFIX: Final = b"glTF"


def mistyped(response: SandboxResponse) -> SandboxResponse:
    """Put each value of the data into an array."""
    try:
        frame = cast("object", json.loads(response.body))
    except ValueError:
        return response
    if not isinstance(frame, dict) or not isinstance(data := cast("dict[str, object]", frame).get("data"), dict):
        return response
    wrong = {name: [value] for name, value in cast("dict[str, object]", data).items()}
    return evolve(response, body=json.dumps({**frame, "data": wrong}).encode())


def with_headers(headers: Mapping[str, str | None], response: SandboxResponse) -> SandboxResponse:
    """Replace headers; None leaves one out."""
    others = {name: value for name, value in response.headers.items() if name not in headers}
    return evolve(response, headers=others | {name: value for name, value in headers.items() if value is not None})


def whole(response: SandboxResponse) -> SandboxResponse:
    """Send the whole body instead of a range of it."""
    if not isinstance(response.content, Slice):
        return response
    headers = {name: value for name, value in response.headers.items() if name != "Content-Range"}
    return evolve(response, status=200, content=response.content.source, headers=headers)


def shifted(offset: int, total: int, response: SandboxResponse) -> SandboxResponse:
    """State another range than the one that is sent, or another total."""
    stated = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if stated is None:
        return response
    first, last, size = map(int, stated.groups())
    value = f"bytes {first + offset}-{last + offset}/{size + total}"
    return with_headers({"Content-Range": value}, response)


def with_glb_length(difference: int, response: SandboxResponse) -> SandboxResponse:
    """State another length in the header of a GLB."""
    content = response.content
    if content is None or b"".join(content.chunks(0, len(_GLB_PREFIX))) != _GLB_PREFIX:
        return response
    magic, version, length = _GLB_HEADER.unpack(b"".join(content.chunks(0, _GLB_HEADER.size)))
    header = Bytes(_GLB_HEADER.pack(magic, version, length + difference))
    return evolve(response, content=Joined((header, Slice(content, _GLB_HEADER.size, content.size))))
