from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """The output of all loggers of the process, at every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)
