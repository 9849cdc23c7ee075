"""The corpus of the fuzzer, and bytes that Hypothesis generates."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
KEPT = {name: [path.read_bytes() for path in sorted((CORPUS / name).iterdir())] for name in TARGETS}


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_gives_the_right_value_or_a_triverse_error(name: str) -> None:
    assert KEPT[name]
    for data in KEPT[name]:
        TARGETS[name](data)


def splice(kept: bytes, start: int, end: int, piece: bytes) -> bytes:
    return kept[:start] + piece + kept[end:]


def spliced(name: str) -> st.SearchStrategy[bytes]:
    """Return an input of the corpus, with a part of it replaced."""
    place = st.integers(0, 200)
    return st.builds(
        splice,
        st.sampled_from(KEPT[name]),
        place,
        place,
        st.binary(max_size=9) | st.sampled_from([b"\r\n", b"\n\n", b"0", b"-", b'"', b"NaN", b"tri-0123456789abcdef"]),
    )


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=50)
@given(st.data())
def test_any_bytes_give_the_right_value_or_a_triverse_error(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(st.binary(max_size=300) | spliced(name)))
