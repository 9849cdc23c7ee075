from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from support.neutral_environment import neutralise

# Removed before anything is imported or started: some libraries and fixtures read the environment only once.
neutralise(os.environ)

# Property tests have no time limit, so a slow machine does not fail them.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
# For sessions that run the suite many times.
settings.register_profile("few", max_examples=10, derandomize=True, database=None, deadline=None)

# A shell ignores SIGINT in its background jobs, and child processes inherit that. Tests interrupt such processes.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Tests marked `anyio` run on both event loops."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no test read the profiles of the user."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(_empty_directory(tmp_path_factory)))


def _empty_directory(factory: pytest.TempPathFactory) -> Path:
    path = factory.getbasetemp() / "no-configuration"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(scope="module", autouse=True)
def _logger_as_it_was() -> Generator[None]:
    """Undo the logging configuration of the command line, which holds for the whole process, after each file."""
    logger = logging.getLogger("triverse")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
