from __future__ import annotations

import pytest
from support.shell import run_program

import triverse


def test_importing_the_package_loads_nothing_that_takes_time() -> None:
    program = (
        "import triverse, sys; print(*sorted(name for name in sys.modules if name.startswith(('triverse', 'att'))))"
    )
    done = run_program(program)
    assert done.returncode == 0
    assert done.stdout.split() == ["triverse", "triverse._version"]


def test_every_public_name_is_there_when_it_is_used() -> None:
    assert dir(triverse) == triverse.__all__
    assert all(getattr(triverse, name) is not None for name in triverse.__all__)
    assert triverse.api.users.me().path == "/users/me"


def test_a_name_that_is_not_there_is_an_ordinary_mistake() -> None:
    with pytest.raises(AttributeError, match="module 'triverse' has no attribute 'Nothing'"):
        _ = triverse.Nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # on purpose
