from __future__ import annotations

import pytest


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make retries without pauses, for tests with many retries."""
    monkeypatch.setattr("triverse.core.retry._BASE_DELAY", 0.0)
