from __future__ import annotations

import pytest


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once, in tests with many of them."""
    monkeypatch.setattr("triverse.core.retry._BASE_DELAY", 0.0)
