"""A terminal with a command in it, as a user sees it."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Self

from support.shell import environment

__all__ = ["Terminal", "last_frame"]

# The command owns the terminal, so that Ctrl-C reaches it.
_PROGRAM = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "from triverse.cli import main; raise SystemExit(main())"
)
# Where a new frame or another screen begins.
_FRAMES = re.compile(r"\x1b\[(H|\?1049[hl])")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE = 60.0
_PRESS_AGAIN = 10.0


def _text(output: str) -> str:
    return _ESCAPES.sub("", _FRAMES.sub("\n", output))


def last_frame(frames: str) -> str:
    """The last frame of a view of credits that is complete: another one begins after it."""
    parts = frames.split("Triverse credits")
    return parts[-2] if len(parts) > 2 else ""


class Terminal:
    """Runs a command; `output` is all that it wrote."""

    def __init__(self, *arguments: str, columns: int = 80, rows: int = 24, **variables: str) -> None:
        self._keyboard, self._far_end = pty.openpty()
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(self._far_end)
        self.output = ""
        self._seen = 0
        # A read may end inside of a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _PROGRAM, *arguments],
            env=environment(**{"TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **variables}),
            stdin=self._far_end,
            stdout=self._far_end,
            stderr=self._far_end,
            start_new_session=True,
        )

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._far_end, termios.TIOCSWINSZ, size)

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def until(self, seen: Callable[[str], bool]) -> str:
        """Read on until this is true of the output that was not seen yet; return that output, without escapes.

        Raises:
            AssertionError: it was not true in time.
        """
        until = time.monotonic() + _PATIENCE
        while not seen(new := _text(self.output[self._seen :])):
            if time.monotonic() > until:
                raise AssertionError(f"not seen: {self.output[self._seen :]!r}")
            self._read(0.05)
        self.forget()
        return new

    def see(self, text: str) -> str:
        """Read on until this text comes. Output after the text, even of the same read, counts as not seen yet."""
        start = self._seen
        new = self.until(lambda new: text in new)
        ends = range(start, len(self.output) + 1)
        self._seen = start + bisect_left(ends, 1, key=lambda end: text in _text(self.output[start:end]))
        return new

    def forget(self) -> None:
        """Treat all output so far as seen."""
        self._seen = len(self.output)

    def ended(self) -> int:
        """Read to the end of the command, and return its status."""
        self.until(lambda _: self.process.poll() is not None)
        while self._read(0.0):
            pass
        return self.process.returncode

    def interrupt(self) -> int:
        """Press Ctrl-C until the command ends, and return its status.

        Python runs the handler of a signal only after a read from a pipe or a socket that begins just then. So a
        key may have no effect, as for any user of a Python program, who presses it again.
        """
        pressed = 0.0

        def has_ended(_: str) -> bool:
            nonlocal pressed
            if time.monotonic() - pressed > _PRESS_AGAIN:
                pressed = time.monotonic()
                self.press("\x03")
            return self.process.poll() is not None

        self.until(has_ended)
        return self.ended()

    def _read(self, patience: float) -> bool:
        ready, _, _ = select.select([self._keyboard], [], [], patience)
        if ready:
            self.output += self._decoder.decode(os.read(self._keyboard, 65536))
        return bool(ready)

    @property
    def lines(self) -> list[str]:
        """The lines that were written, without escapes."""
        return _text(self.output).splitlines()

    def is_clean(self) -> bool:
        """Whether the terminal works as before: keys echo, the cursor shows, and the usual screen is back."""
        entered, left = self.output.rfind("\x1b[?1049h"), self.output.rfind("\x1b[?1049l")
        hidden, shown = self.output.rfind("\x1b[?25l"), self.output.rfind("\x1b[?25h")
        return termios.tcgetattr(self._far_end) == self.modes and left >= entered and shown >= hidden

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._keyboard)
        os.close(self._far_end)
