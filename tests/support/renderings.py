"""Every way in which tools show, keep and send an exception."""

from __future__ import annotations

import pickle
import traceback
import types
from collections.abc import Iterator
from typing import cast

from rich.console import Console
from rich.traceback import Traceback

__all__ = ["Unshowable", "renderings"]


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


def renderings(error: BaseException) -> Iterator[str]:
    """Yield all texts of an exception, with the variables of its frames, except for those of the test itself."""
    while error.__traceback__ is not None and not is_ours(error.__traceback__.tb_frame):
        error.__traceback__ = error.__traceback__.tb_next
    yield from (str(error), repr(error), f"{error}")
    yield repr(pickle.dumps(error))
    for chained in (True, False):
        exception = traceback.TracebackException.from_exception(error, capture_locals=True)
        yield "".join(exception.format(chain=chained))
    console = Console(width=400, record=True, quiet=True)
    rendered = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, locals_max_length=99)
    console.print(rendered)
    yield console.export_text()
    for link in exception_chain(error, set()):
        yield f"{link!r} {link} {link.args}"
        yield from (repr(value) for value in vars(link).values() if not isinstance(value, Unshowable))
        yield from (repr(frame.f_locals) for frame, _ in traceback.walk_tb(link.__traceback__) if is_ours(frame))


def exception_chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        yield from exception_chain(error.__cause__, seen)
        yield from exception_chain(error.__context__, seen)
        if isinstance(error, BaseExceptionGroup):
            for member in cast("BaseExceptionGroup[BaseException]", error).exceptions:
                yield from exception_chain(member, seen)


def is_ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("triverse")
