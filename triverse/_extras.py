"""The message for an extra that is not installed, the same for every part of the package."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["MODULES_OF", "install_command", "require_extra"]

MODULES_OF: Final = {
    "cli": ("click", "platformdirs", "rich"),
    "sandbox": ("starlette", "uvicorn"),
    "fastapi": ("fastapi", "pydantic"),
}
"""The modules that each extra installs."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f'pip install "triverse[{extra}]"'


@contextmanager
def require_extra(extra: str) -> Generator[None]:
    """Wrap imports that need an extra.

    Raises:
        ModuleNotFoundError: a module of the extra is not installed. The message names the install command. If another
            module is missing, the error is the original one.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        module = (missing.name or "").partition(".")[0]
        if module not in MODULES_OF[extra]:
            raise
        message = f"{module} is not installed: {install_command(extra)}"
        raise ModuleNotFoundError(message, name=missing.name) from missing
