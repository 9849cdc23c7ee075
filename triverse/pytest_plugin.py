"""Fixtures for tests of applications that use Triverse. pytest loads them where this package is installed.

Nothing is imported before a fixture is used, so test runs that use none do not wait for any of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from triverse import AsyncTriverse, Triverse
    from triverse.sandbox import Account, Sandbox

__all__ = [
    "UnusedFaultWarning",
    "async_triverse_client",
    "triverse_account",
    "triverse_client",
    "triverse_env",
    "triverse_sandbox",
]


class UnusedFaultWarning(UserWarning):
    """A test planned a fault that no request has met, so it may have tested nothing."""


@pytest.fixture
def triverse_sandbox() -> Iterator[Sandbox]:
    """A local Triverse of the test's own: no network, no real key, no credits spent.

    At the end, a fault that no request has met is a warning, and a `match` function that failed is an error.
    """
    from triverse.sandbox import Sandbox  # noqa: PLC0415 - not before it is used

    sandbox = Sandbox()
    yield sandbox
    for error in sandbox.faults.errors:
        raise error
    for fault in sandbox.faults.unused:
        warnings.warn(f"no request met {fault!r}", UnusedFaultWarning, stacklevel=1)


@pytest.fixture
def triverse_account(triverse_sandbox: Sandbox) -> Account:
    """The sandbox's demo account, with 1200 API credits."""
    return triverse_sandbox.demo


@pytest.fixture
def triverse_client(triverse_sandbox: Sandbox, triverse_account: Account) -> Iterator[Triverse]:
    """A client of that account, in process."""
    with triverse_sandbox.client(triverse_account) as client:
        yield client


@pytest.fixture
def async_triverse_client(triverse_sandbox: Sandbox, triverse_account: Account) -> AsyncTriverse:
    """A client of that account, in process, for asyncio and trio. It holds no connection, so it need not be closed."""
    return triverse_sandbox.async_client(triverse_account)


@pytest.fixture
def triverse_env(
    triverse_sandbox: Sandbox, triverse_account: Account, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    """Serve the sandbox on a port, and set TRIVERSE_BASE_URL and TRIVERSE_API_KEY, for code that makes its own clients.

    Gives the account. Needs `triverse[sandbox]`.
    """
    with triverse_sandbox.serve() as url:
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        monkeypatch.setenv("TRIVERSE_API_KEY", triverse_account.key)
        yield triverse_account
