"""The worked example of a new endpoint applies, and its tests pass."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from subprocess import run

import pytest
from support.markdown_snippets import ROOT
from support.shell import COMMAND

PATCH = ROOT / "docs" / "explanation" / "add-endpoint.patch"
# The tests of the patch, and the tests that check every endpoint.
TESTS = [
    "tests/test_presigned.py",
    "tests/core/test_public.py",
    "tests/sandbox/test_openapi.py",
    "tests/test_lazy_imports.py",
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that the patch changes or the tests need."""
    for name in ("triverse", "tests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patch, and is not installed")
def test_the_patch_applies_to_the_current_code_and_the_tests_pass(copy: Path) -> None:
    # Without coverage, which would measure the copy.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    env |= {"PYTHONPATH": str(copy), "GIT_CEILING_DIRECTORIES": str(copy.parent)}

    def done(*command: str) -> bytes:
        ended = run(command, cwd=copy, env=env, capture_output=True, check=False)  # noqa: S603 - commands of this test
        assert ended.returncode == 0, (ended.stdout + ended.stderr).decode()
        return ended.stdout

    done("git", "apply", "--verbose", "-C1", str(PATCH))
    (copy / "docs" / "openapi.json").write_bytes(done(*COMMAND, "openapi"))
    done(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
