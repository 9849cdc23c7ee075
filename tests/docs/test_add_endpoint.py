"""The worked example of adding an endpoint is a change that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import ROOT

PATCH = ROOT / "docs" / "explanation" / "add-endpoint.patch"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the patch touches and its tests need."""
    for name in ("triverse", "docs/reference"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patch, and is not installed")
def test_the_patch_applies_to_the_code_of_today_and_its_tests_pass(copy: Path) -> None:
    # Not measured for coverage: the copy is not the code.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    env |= {"PYTHONPATH": str(copy), "GIT_CEILING_DIRECTORIES": str(copy.parent)}

    for command in (
        ["git", "apply", "--verbose", "-C1", str(PATCH)],
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_tasks.py"],
    ):
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - both are ours

        assert done.returncode == 0, done.stdout + done.stderr
