"""A plugin of pytest for mutmut: no test uses the hooks of types that an earlier test made.

With them, mutants of what makes the hooks would never run, and mutmut would not learn which tests run it.
"""

from __future__ import annotations

import pytest

from triverse.core import structure


@pytest.fixture(autouse=True)
def _fresh_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_converter", structure._make_converter())  # pyright: ignore[reportPrivateUsage]  # the cache
    structure._structurer.cache_clear()  # pyright: ignore[reportPrivateUsage]  # the cache
