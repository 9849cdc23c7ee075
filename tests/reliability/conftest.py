from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers of the process say, at every level."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield said
    root.setLevel(level)
    root.removeHandler(handler)
