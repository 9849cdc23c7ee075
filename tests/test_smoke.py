from __future__ import annotations

import triverse


def test_the_version_is_a_release_number() -> None:
    assert [part.isdigit() for part in triverse.__version__.split(".")] == [True, True, True]
