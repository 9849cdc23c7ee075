"""Dependency injection and other tools can resolve the annotations of the public API at run time."""

from __future__ import annotations

import inspect
import pkgutil
import typing
from collections.abc import Iterator
from importlib import import_module

import pytest

import triverse
import triverse.api

# triverse.api has the namespaces, the builders, and the protocols for a user's own client.
MODULES = [
    *(module.name for module in pkgutil.walk_packages(triverse.api.__path__, "triverse.api.")),
    "triverse.fastapi",
    "triverse.sandbox",
]


def annotated() -> Iterator[tuple[str, object]]:
    """Yield every public class, function and method."""
    public = {name: getattr(triverse, name) for name in triverse.__all__}
    for module in map(import_module, MODULES):
        public |= {f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__}
    for name, value in public.items():
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            yield from methods(name, value)


def methods(name: str, cls: type) -> Iterator[tuple[str, object]]:
    for member, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function) and (not member.startswith("_") or member in {"__init__", "__call__"}):
            yield f"{name}.{member}", function


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in annotated()])
def test_type_hints_can_be_resolved(value: object) -> None:
    typing.get_type_hints(value, include_extras=True)
