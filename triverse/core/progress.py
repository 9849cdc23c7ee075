"""How far an upload or a download is."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Progress"]


class Progress(NamedTuple):
    """How far a transfer is; `on_progress` is called with it.

    Attributes:
        done: bytes of the file that were transferred. A new attempt that starts over begins at 0 again.
        total: size of the file; None if the server did not send it.
    """

    done: int
    total: int | None
