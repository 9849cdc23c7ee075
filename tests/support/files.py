"""Files of each type, just large enough to be recognised."""

from __future__ import annotations

import struct

__all__ = ["GIF", "JPEG", "PNG", "WEBP", "ZIP", "glb"]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(64))
WEBP = b"RIFF\x40\x00\x00\x00WEBP" + bytes(range(64))
GIF = b"GIF89a" + bytes(64)
ZIP = b"PK\x03\x04" + bytes(64)


def glb(size: int = 1000, *, stated: int | None = None) -> bytes:
    """Return data with the header of a GLB. The rest is a pattern that differs at each position."""
    header = b"glTF" + struct.pack("<II", 2, size if stated is None else stated)
    pattern = b"".join(struct.pack("<I", number) for number in range((size - 12 + 3) // 4))
    return (header + pattern)[:size]
