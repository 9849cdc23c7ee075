"""What to say where `triverse[sandbox]` is not installed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["extra_needed"]


@contextmanager
def extra_needed() -> Generator[None]:
    """Around imports that need the extra.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        message = f'{missing.name} is not installed: pip install "triverse[sandbox]"'
        raise ModuleNotFoundError(message, name=missing.name) from missing
