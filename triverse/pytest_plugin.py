"""Fixtures for tests of applications that use Triverse. pytest loads them where this package is installed.

Nothing is imported before a fixture is used, so test runs that use none do not wait for any of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from triverse import AsyncTriverse, Triverse
    from triverse.sandbox import Account, Sandbox

__all__ = ["async_triverse_client", "triverse_account", "triverse_client", "triverse_sandbox"]


@pytest.fixture
def triverse_sandbox() -> Sandbox:
    """A local Triverse of the test's own: no network, no key of yours, no credits spent."""
    from triverse.sandbox import Sandbox  # noqa: PLC0415 - not before it is used

    return Sandbox()


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
    """A client of that account, in process, for asyncio and trio. It holds no connection, so nobody has to close it."""
    return triverse_sandbox.async_client(triverse_account)
