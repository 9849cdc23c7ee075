from __future__ import annotations

import string
import unicodedata
from pathlib import Path, PureWindowsPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triverse.core.file_types import GLB, JPEG, PNG, ZIP, FileType
from triverse.core.filenames import safe_filename, sent_filename

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"

_ESCAPES = [
    "../",
    "..\\",
    "/",
    "\\",
    "C:\\",
    "C:/",
    "C:",
    "\\\\server\\share\\",
    "\\\\?\\C:\\",
    "~/",
    "file:///",
    "//host/",
]
_NAMES = ["x.glb", "..", ".", "", ".glb", "etc/passwd", "NUL", "con.glb", "a\x00b.glb", "model\u202eblg.exe"]
_DEVICES = ["CON", "prn", "Aux", "NUL", "COM1", "com9", "LPT1", "lpt³", "CONIN$", "conout$", "CON .glb", "nul.tar.glb"]
_ENDINGS = ["x.", "x..", "x ", "x. . ", "x.glb.", "x.glb ", " x.glb", ".x.glb", "...x", "-rf", "--help", "~root", "~"]
_INVISIBLE = [
    "\u200b",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\u00ad",
    "\x1b[31m",
    "\r\n",
    "\t",
    "\x7f",
    "\ue000",
    "\ud800",
    "\u2028",
]
_LONG = ["x" * 5000, "ä" * 5000, "x" * 5000 + ".glb", "." * 5000, "x." * 2500, "💠" * 1000 + ".png", "a." + "g" * 5000]
_FORMS = [
    unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in ("Säule.glb", "ﬁgure.glb", "한국.glb")
]
_WIDE = [
    "\uff0fetc\uff0fpasswd",
    "x\u2044y",
    "x:stream",
    "x|y",
    "x?y*",
    '<x>"y".glb',
    "x\x01\x02",
    "%2e%2e%2fx",
    "..%2fx",
    "$(rm)",
]
HOSTILE = [
    *(escape + name for escape in _ESCAPES for name in _NAMES),
    *_DEVICES,
    *_ENDINGS,
    *(character + "x.glb" for character in _INVISIBLE),
    *("x.glb" + character for character in _INVISIBLE),
    *_LONG,
    *_FORMS,
    *_WIDE,
    *(device + suffix for device in ("NUL", "aux") for suffix in (".txt", ".", " ", ":", "/")),
]


RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "123456789¹²³"
}


def assert_safe(name: str) -> None:
    assert name not in {"", ".", ".."}
    assert Path(name).name == name == PureWindowsPath(name).name
    assert name.partition(".")[0].strip().upper() not in RESERVED
    assert not set(name) & set('/\\:<>"|?*')
    assert name.isprintable()
    assert name == name.strip(" .")
    assert name[0] not in "-~"
    assert len(name.encode()) <= 140
    assert unicodedata.normalize("NFC", name) == name


def test_there_are_two_hundred_hostile_names() -> None:
    assert len(set(HOSTILE)) >= 200


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_becomes_a_safe_one(name: str, tmp_path: Path) -> None:
    for file_type in (None, GLB, PNG):
        safe = safe_filename(name, TASK, file_type)
        assert_safe(safe)
        (tmp_path / safe).write_bytes(b"x")
        assert [path.name for path in tmp_path.iterdir()] == [safe]
        (tmp_path / safe).unlink()


@given(st.text(max_size=300), st.sampled_from([None, GLB, JPEG, ZIP]))
def test_any_name_becomes_a_safe_one(name: str, file_type: FileType | None) -> None:
    assert_safe(safe_filename(name, TASK, file_type))


@pytest.mark.parametrize("name", [None, "", "..", "/", "a/", "\u202e", "   ", "...", "\\"])
def test_the_task_id_replaces_a_name_of_which_nothing_is_left(name: str | None) -> None:
    assert safe_filename(name, TASK, None) == TASK
    assert safe_filename(name, TASK, GLB) == f"{TASK}.glb"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("helmet.glb", "helmet.png"),
        ("helmet.bin", "helmet.png"),
        ("helmet", "helmet.png"),
        ("helmet.PNG", "helmet.PNG"),
        ("helmet.v2", "helmet.v2.png"),
        ("helmet.2026", "helmet.2026.png"),
        ("helmet.superlongsuffix", "helmet.superlongsuffix.png"),
        (".glb", f"{TASK}.png"),
    ],
)
def test_the_suffix_follows_the_bytes(name: str, expected: str) -> None:
    assert safe_filename(name, TASK, PNG) == expected


def test_archives_keep_the_suffixes_of_their_formats() -> None:
    assert safe_filename("scene.usdz", TASK, ZIP) == "scene.usdz"
    assert safe_filename("photo.jpeg", TASK, JPEG) == "photo.jpeg"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("attachment", None),
        ('attachment; filename="x y.glb"', "x y.glb"),
        ("attachment; filename=x.glb", "x.glb"),
        ("attachment;FILENAME=x.glb;size=3", "x.glb"),
        ('attachment; filename="a\\"b;c.glb"', 'a"b;c.glb'),
        ("attachment; filename=\"x.glb\"; filename*=UTF-8''S%C3%A4ule.glb", "Säule.glb"),
        ("attachment; filename*=iso-8859-1'en'S%E4ule.glb", "Säule.glb"),
        ("attachment; filename*=\"UTF-8''quoted.glb\"", "quoted.glb"),
        ("attachment; filename*=broken; filename=x.glb", "x.glb"),
        ("attachment; filename*=broken", None),
        ('attachment; filename="S\u00c3\u00a4ule.glb"', "Säule.glb"),
        ('attachment; filename="S\u00e4ule.glb"', "Säule.glb"),
        ('attachment; filename="open', None),
    ],
)
def test_a_name_is_read_from_content_disposition(header: str | None, expected: str | None) -> None:
    assert sent_filename(header) == expected


@given(st.text(string.printable, max_size=400))
def test_any_content_disposition_can_be_read(header: str) -> None:
    assert_safe(safe_filename(sent_filename(header), TASK, None))


@given(st.text(min_size=1, max_size=40))
def test_an_encoded_name_is_read_whole(name: str) -> None:
    text = name.encode("utf-8", "ignore").decode()
    assert sent_filename(f"attachment; filename*=UTF-8''{quote(text, safe='')}") == (text or None) or not text


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*=UTF-8''it's-mine's.glb", "it's-mine's.glb"),
        ("attachment; filename*=UTF-8''MAX", "MAX"),
        ('attachment; filename="5\u20ac.glb"', "5?.glb"),
    ],
)
def test_a_sent_name_keeps_quotes_and_shows_what_no_header_can_hold(header: str, name: str) -> None:
    assert sent_filename(header) == name
