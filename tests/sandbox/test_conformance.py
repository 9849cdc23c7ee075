"""Schemathesis checks the responses of the sandbox against its OpenAPI description."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.shell import environment

from triverse.sandbox import Sandbox, SandboxSettings
from triverse.sandbox.routes import ROUTES

pytestmark = pytest.mark.skipif(
    find_spec("schemathesis") is None, reason="Schemathesis is installed by its own session: nox -s conformance"
)

# A schema cannot require that the bytes are those of an image.
_HOOKS = """
import schemathesis
from hypothesis import strategies as st

PNG = st.just(b"\\x89PNG\\r\\n\\x1a\\n" + bytes(24))
schemathesis.openapi.format("binary", PNG)
for media_type in ("image/jpeg", "image/png", "image/webp", "model/gltf-binary", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, PNG)
"""


def test_schemathesis_finds_nothing_with_every_check_on(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(_HOOKS, encoding="utf-8")
    sandbox = Sandbox(settings=SandboxSettings(uploads_per_minute=1_000_000))
    sandbox.demo.top_up(1_000_000)
    with sandbox.serve() as url:
        done = subprocess.run(  # noqa: S603 - our own command
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
                *("--checks", "all", "--max-examples", "40", "--seed", "1"),
                *("--header", f"Authorization: Bearer {sandbox.demo.key}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment(SCHEMATHESIS_HOOKS="hooks"),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(ROUTES)}" in done.stdout
    assert {call.status for call in sandbox.requests} >= {200, 400, 401, 404, 405}
