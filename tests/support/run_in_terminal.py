"""Run a module in a terminal of a given width: `python run_in_terminal.py COLUMNS MODULE [ARGUMENT …]`.

The exit status is that of the module. nox's session `environments` uses it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios


def main(columns: str, *module: str) -> int:
    """Start the module with the terminal as its standard streams, and copy what it prints."""
    child, terminal = pty.fork()
    if child == 0:
        # The window size is set before the module starts, so it cannot see another one.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(columns), 0, 0))
        os.execv(sys.executable, [sys.executable, "-m", *module])  # noqa: S606 - the arguments come from noxfile.py
    while chunk := _read(terminal):
        os.write(1, chunk)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports EIO once the child has closed its side.
        return b""


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
