"""Runs a function in its own process, with a pipe to it."""

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
    """Run the function with one end of a pipe, yield the other end, then wait for the function to return."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=function, args=(theirs, *args), kwargs=kwargs, daemon=True)
    process.start()
    theirs.close()  # so that recv() raises EOFError if the function fails
    yield ours
    process.join(30)
