"""A pytest plugin for mutmut: each test makes its own structure hooks.

With the hooks of earlier tests, mutants of the code that makes hooks would never run, and mutmut would not record which
tests run that code.
"""

from __future__ import annotations

import pytest

from triverse.core import structure


@pytest.fixture(autouse=True)
def _fresh_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_converter", structure._make_converter())  # pyright: ignore[reportPrivateUsage]  # the cache
    structure._structurer.cache_clear()  # pyright: ignore[reportPrivateUsage]  # the cache
