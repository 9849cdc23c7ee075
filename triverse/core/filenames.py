"""File names that a server sends, made safe for every common file system.

The result is one path segment. It is never empty, `.` or `..`, has no separator, drive letter, control or invisible
character, no leading or trailing dot or space, is no device name of Windows, and is short enough everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote_to_bytes

from triverse.core.file_types import FileType

__all__ = ["safe_filename", "sent_filename"]

# eCryptfs allows 143 bytes; most file systems 255.
_MAX_BYTES: Final = 140
_MAX_HEADER: Final = 8192
_PARAMETER: Final = re.compile(r';\s*(filename\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^";\s]+)', re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[/\\]")
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
# With any suffix: Windows opens the device for NUL.glb, too.
_DEVICES: Final = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
# Control and invisible characters, such as those that reverse the direction of text; lone surrogates; unassigned ones.
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# A leading hyphen makes an option of shell commands, a leading tilde a home directory, a leading dot a hidden file.
_TRIMMED: Final = " .-~"
_SUFFIX: Final = re.compile(r"(.*)\.([A-Za-z0-9]{1,16})")
# Not `.v2` or `.10`, which belong to the name.
_REPLACED_SUFFIX: Final = re.compile(r"\.(?!v?\d+$)[a-z0-9]{1,5}")


def sent_filename(content_disposition: str | None) -> str | None:
    """Return the file name in a `Content-Disposition` header, as it was sent; None if there is none."""
    if content_disposition is None:
        return None
    names = {name.lower(): value for name, value in _PARAMETER.findall(content_disposition[:_MAX_HEADER])}
    extended: str | None = names.get("filename*")
    if extended is not None and extended.count("'") >= 2:  # noqa: PLR2004 - charset'language'value
        return _decode(unquote_to_bytes(extended.strip('"').split("'", 2)[2]))
    plain: str | None = names.get("filename")
    if plain is None:
        return None
    if plain.startswith('"'):
        plain = re.sub(r"\\(.)", r"\1", plain[1:-1])
    return _decode(plain.encode("latin-1", "replace"))


def _decode(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def safe_filename(name: str | None, fallback: str, file_type: FileType | None) -> str:
    """Return a safe file name.

    Args:
        name: the name as the server sent it.
        fallback: the name if nothing is left of the other.
        file_type: the type of the content, by its bytes. The suffix of the name is made to agree with it.
    """
    text = _clean(_SEPARATORS.split(name or "")[-1])
    found = _SUFFIX.fullmatch(text)
    stem, suffix = (found[1], f".{found[2]}") if found else (text, "")
    stem = stem.strip(_TRIMMED) or fallback
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    if file_type is not None and suffix.lower() not in file_type.suffixes:
        stem += "" if _REPLACED_SUFFIX.fullmatch(suffix.lower()) else suffix
        suffix = file_type.suffixes[0]
    return _shorten(stem, _MAX_BYTES - len(suffix)) + suffix


def _clean(text: str) -> str:
    visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in _DROPPED)
    return _FORBIDDEN.sub("_", unicodedata.normalize("NFC", visible)).rstrip(" .")


def _shorten(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore").rstrip(" .")
