"""Defaults of the options of a client. They are apart because the signatures of the clients need nothing else."""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeVar

__all__ = [
    "DEFAULT_DEADLINE",
    "DEFAULT_MAX_CONNECTIONS",
    "DEFAULT_MAX_RETRIES",
    "UNSET",
    "Unset",
    "value_or",
]

T = TypeVar("T")

DEFAULT_DEADLINE: Final = 60.0
DEFAULT_MAX_RETRIES: Final = 2
DEFAULT_MAX_CONNECTIONS: Final = 100


class Unset(Enum):
    """The type of `UNSET`, the default of options for which None has a meaning of its own."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


def value_or(value: T | Unset, otherwise: T) -> T:
    """Return the value, or `otherwise` if no value was given."""
    return otherwise if isinstance(value, Unset) else value
