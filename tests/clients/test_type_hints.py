"""Annotations can be evaluated at run time, as dependency injection and documentation tools do."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator

import pytest

import triverse
from triverse.api.tasks.async_namespace import AsyncTasks
from triverse.api.tasks.namespace import Tasks
from triverse.api.uploads import AsyncUploads, Uploads
from triverse.api.users_namespace import AsyncUsers, Users

CLASSES: list[type] = [
    *(value for name in triverse.__all__ if inspect.isclass(value := getattr(triverse, name))),
    *(Users, AsyncUsers, Tasks, AsyncTasks, Uploads, AsyncUploads),
]


def public_functions(cls: type) -> Iterator[Callable[..., object]]:
    for name, member in inspect.getmembers(cls):
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
            yield function


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_type_hints_of_public_classes_and_methods_resolve(cls: type) -> None:
    typing.get_type_hints(cls)
    for function in public_functions(cls):
        typing.get_type_hints(function)


@pytest.mark.parametrize(("cls", "name"), [(triverse.Triverse, "Client"), (triverse.AsyncTriverse, "AsyncClient")])
def test_the_hint_of_http_client_is_the_class_of_httpx(cls: type, name: str) -> None:
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]  # a class whose __init__ is known
    assert name in {getattr(member, "__name__", "") for member in typing.get_args(hints["http_client"])}
