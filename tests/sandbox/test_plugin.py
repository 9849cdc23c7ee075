from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.shell import environment


def run(directory: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a user's test file in a new pytest process."""
    (directory / "test_mine.py").write_text(test, encoding="utf-8")
    return subprocess.run(  # noqa: S603 - our own test
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env=environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
    )


# Other plugins are only loaded by tests that need them, because some import large libraries.
_PLUGIN = ("-p", "triverse.pytest_plugin")

_FIXTURES = """
def test_the_client_asks_the_account_in_the_sandbox(triverse_sandbox, triverse_account, triverse_client):
    triverse_account.freeze(200)
    assert triverse_client.users.balance() == triverse_account.balance
    assert [handled.path for handled in triverse_sandbox.requests] == ["/users/balance"]

def test_each_test_has_a_sandbox_of_its_own(triverse_sandbox, triverse_client):
    assert triverse_client.users.balance().frozen == 0
    assert len(triverse_sandbox.requests) == 1
"""


def test_the_fixtures_give_a_sandbox_an_account_and_a_client(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, _FIXTURES, *_PLUGIN).stdout


_UNUSED = """
from triverse.sandbox import Fault

def test_with_a_fault_that_never_happens(triverse_sandbox, triverse_client):
    triverse_sandbox.faults.add(Fault(status=503), match="/users/mee")
    triverse_client.users.balance()

def test_with_a_fault_that_happens(triverse_sandbox, triverse_client):
    triverse_sandbox.faults.add(Fault(status=503, retry_after=0), times=1)
    triverse_client.users.balance()
"""


def test_a_fault_that_no_request_met_is_a_warning(tmp_path: Path) -> None:
    printed = run(tmp_path, _UNUSED, *_PLUGIN, "-W", "default").stdout
    assert "2 passed, 1 warning" in printed
    assert "UnusedFaultWarning: no request met Fault(status=503)" in printed


_FAILING_MATCH = """
from triverse.sandbox import Fault

def test_that_hides_the_error(triverse_sandbox, triverse_client):
    triverse_sandbox.faults.add(Fault(status=503), match=lambda request: request.headers["x-tenant"] == "ada")
    try:
        triverse_client.users.balance()
    except Exception:
        pass
"""


def test_a_match_function_that_failed_is_an_error_of_the_test(tmp_path: Path) -> None:
    printed = run(tmp_path, _FAILING_MATCH, *_PLUGIN).stdout
    assert "KeyError: 'x-tenant'" in printed
    assert "1 error" in printed


_ENVIRONMENT = """
import os
from triverse import Triverse

def test_code_that_makes_its_own_client(triverse_env, triverse_sandbox):
    with Triverse() as client:
        assert client.users.me().email == triverse_env.email
    assert [call.path for call in triverse_sandbox.requests] == ["/users/me"]

def test_the_environment_is_restored():
    assert "TRIVERSE_BASE_URL" not in os.environ
"""


def test_code_that_makes_its_own_client_reaches_a_served_sandbox(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, _ENVIRONMENT, *_PLUGIN).stdout


_ASYNC = """
import pytest

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
async def test_by_anyio(triverse_account, async_triverse_client):
    assert await async_triverse_client.users.balance() == triverse_account.balance

@pytest.mark.asyncio
async def test_by_pytest_asyncio(triverse_account, async_triverse_client):
    assert await async_triverse_client.users.balance() == triverse_account.balance
"""


def test_the_async_client_works_by_anyio_and_by_pytest_asyncio(tmp_path: Path) -> None:
    loops = (
        "-p",
        "anyio.pytest_plugin",
        "-p",
        "pytest_asyncio.plugin",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    done = run(tmp_path, _ASYNC, *_PLUGIN, *loops)
    assert "3 passed" in done.stdout, done.stdout


_LOADED = """
import sys

def test_what_is_loaded():
    print("loaded:", *sorted(name for name in sys.modules if name.partition(".")[0] in HEAVY | {"triverse"}))

HEAVY = {"anyio", "attr", "attrs", "cattr", "cattrs", "httpx", "starlette", "uvicorn"}
"""


def test_a_run_that_uses_no_fixture_loads_nothing_but_the_plugin(tmp_path: Path) -> None:
    done = run(tmp_path, _LOADED, *_PLUGIN, "-s")
    loaded = next(line for line in done.stdout.splitlines() if line.startswith("loaded:"))
    assert loaded == "loaded: triverse triverse._version triverse.pytest_plugin"


def test_the_fixtures_are_described_for_people(tmp_path: Path) -> None:
    listed = run(tmp_path, "", *_PLUGIN, "--fixtures").stdout
    for name in ("triverse_sandbox", "triverse_account", "triverse_client", "async_triverse_client", "triverse_env"):
        assert name in listed


@pytest.mark.skipif(
    not entry_points(group="pytest11", name="triverse"), reason="the package is not installed, only on the path"
)
def test_installing_the_package_points_pytest_to_the_plugin(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, _FIXTURES, "-p", "triverse").stdout
