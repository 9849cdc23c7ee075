"""`triverse sandbox`: a local Triverse on a port."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from triverse._extras import require_extra
from triverse.cli.exit_codes import INTERRUPTED, printable
from triverse.cli.output import credits_text
from triverse.sandbox import Account, Sandbox
from triverse.sandbox.account_file import add_accounts
from triverse.sandbox.activity import Activity

__all__ = ["serve"]


def serve(host: str, port: int, accounts: Path | None, *, active: bool) -> int:
    """Serve until Ctrl-C, and give the exit status.

    Raises:
        ConfigurationError: the extra is missing, the file is of no use, or nobody can listen there.
    """
    with require_extra("sandbox"):
        from triverse.sandbox.server import run_server  # noqa: PLC0415 - it needs the extra

    sandbox = Sandbox()
    owners = [sandbox.demo] if accounts is None else add_accounts(sandbox, accounts)
    activity = Activity(owners) if active else None
    run_server(sandbox, host=host, port=port, ready=lambda url: _announce(url, owners), activity=activity)
    return INTERRUPTED


def _announce(url: str, accounts: Sequence[Account]) -> None:
    """What to paste into another shell."""
    owners = [f"{it.key}  {printable(it.email)}, {credits_text(it.balance.balance)} credits" for it in accounts]
    lines = [f"A local Triverse answers at {url}; Ctrl-C ends it.", "", *owners]
    if accounts:
        exports = {"TRIVERSE_API_KEY": str(accounts[0].key), "TRIVERSE_BASE_URL": url}
        lines += ["", *(f"export {name}={shlex.quote(value)}" for name, value in exports.items())]
    print(*lines, sep="\n", flush=True)  # noqa: T201 - printing is what a command does
