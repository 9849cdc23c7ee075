from __future__ import annotations

import pytest

from triverse.core import structure


@pytest.fixture(autouse=True, scope="module")
def _fresh_hooks() -> None:
    """Each file sees how types are made ready, not what another file left behind."""
    structure._converter = structure._make_converter()  # type: ignore[misc]  # pyright: ignore[reportConstantRedefinition, reportPrivateUsage]  # as at import
    structure._structurer.cache_clear()  # pyright: ignore[reportPrivateUsage]  # as at import
