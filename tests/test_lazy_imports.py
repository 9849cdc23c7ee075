from __future__ import annotations

import ast
import sys
import typing
from collections.abc import Callable
from modulefinder import ModuleFinder
from pathlib import Path
from pkgutil import iter_modules

import pytest
from support.shell import run_program

import triverse
from triverse.api.downloads import Download
from triverse.clients.async_calls import AsyncCalls
from triverse.clients.calls import Calls

SOURCE = Path(triverse.__file__)


def test_importing_the_package_loads_no_other_module_of_it() -> None:
    program = (
        "import triverse, sys; print(*sorted(name for name in sys.modules if name.startswith(('triverse', 'att'))))"
    )
    done = run_program(program)
    assert done.returncode == 0
    assert done.stdout.split() == ["triverse", "triverse._version"]


def test_importing_the_clients_loads_no_library() -> None:
    libraries = {"attr", "attrs", "cattrs", "httpx", "anyio", "asyncio", "json", "logging"}
    # A measurement of coverage has imported some of them before.
    done = run_program(
        "import sys; before = set(sys.modules); from triverse import Triverse, AsyncTriverse;"
        f" print({libraries} & (set(sys.modules) - before))"
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_every_public_name_is_there_when_it_is_used() -> None:
    assert dir(triverse) == triverse.__all__
    assert all(getattr(triverse, name) is not None for name in triverse.__all__)
    assert triverse.api.users.me().path == "/users/me"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'triverse' has no attribute 'Nothing'"):
        _ = triverse.Nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # on purpose


def test_groups_of_requests_are_imported_when_they_are_used() -> None:
    find: Callable[[str], object] = vars(triverse.api)["__getattr__"]
    assert [find(name) for name in triverse.api.__all__] == [
        triverse.api.tasks,
        triverse.api.uploads,
        triverse.api.users,
    ]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        find("nothing")
    assert vars(triverse)["__getattr__"]("api") is triverse.api


def test_annotations_of_lazy_modules_are_resolved() -> None:
    assert typing.get_type_hints(Calls.download)["download"] is Download
    assert typing.get_type_hints(AsyncCalls.download)["download"] is Download


def test_type_checkers_see_the_same_names_in_the_same_modules() -> None:
    (types_only,) = (node for node in ast.parse(SOURCE.read_text("utf-8")).body if isinstance(node, ast.If))
    imports = [node for node in types_only.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: node.module for node in imports for alias in node.names}
    modules: dict[str, str] = vars(triverse)["_MODULE_OF"]
    assert seen == {**modules, "api": "triverse"}
    assert list(modules) == sorted(modules)


def test_tools_that_freeze_applications_find_every_module_that_a_name_needs() -> None:
    finder = ModuleFinder(path=[str(SOURCE.parents[1]), *sys.path])
    # PyInstaller searches for import statements in the same way. Imports of other packages do not matter here.
    finder.excludes = [module.name for module in iter_modules() if module.name != "triverse"]
    finder.import_hook("triverse")
    modules: dict[str, str] = vars(triverse)["_MODULE_OF"]
    assert {*modules.values(), "triverse._pydantic", "triverse.api"} <= finder.modules.keys()
