"""A function in a process of its own, and a pipe to it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Concatenate, ParamSpec

__all__ = ["beside"]

P = ParamSpec("P")


@contextmanager
def beside(
    function: Callable[Concatenate[Connection, P], None], *args: P.args, **kwargs: P.kwargs
) -> Generator[Connection]:
    """Run it with one end of a pipe, and give the other; in the end, wait for it to return."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=function, args=(theirs, *args), kwargs=kwargs, daemon=True)
    process.start()
    theirs.close()  # so that a function that fails is the end of what it says, and not a long silence
    yield ours
    process.join(30)
