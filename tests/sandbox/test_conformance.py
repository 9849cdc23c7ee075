"""What the sandbox answers is what its OpenAPI description says, as a stranger's tool sees it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from triverse.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    find_spec("schemathesis") is None, reason="Schemathesis is installed by the session of its own: nox -s conformance"
)


def test_schemathesis_finds_nothing_with_every_check_on(tmp_path: Path) -> None:
    sandbox = Sandbox()
    with sandbox.serve() as url:
        done = subprocess.run(  # noqa: S603 - a tool of ours
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
                *("--checks", "all", "--max-examples", "100", "--seed", "1"),
                *("--header", f"Authorization: Bearer {sandbox.demo.key}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 18" in done.stdout
    assert {handled.status for handled in sandbox.requests} >= {200, 401, 405}
