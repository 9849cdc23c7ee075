"""`triverse sandbox top-up|freeze|release|break|repair`: change a sandbox that another shell serves."""

from __future__ import annotations

import json
import os
from typing import Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import click

from triverse.cli.options import credits_of, json_option
from triverse.cli.output import (
    API_ERROR,
    NETWORK,
    USAGE,
    CommandError,
    credits_text,
    print_fields,
    print_json,
    write_line,
)

__all__ = ["COMMANDS"]

_DEFAULT: Final = "http://127.0.0.1:8787"
_SERVICE: Final = "triverse.ai"
_TIMEOUT: Final = 10.0

_account = click.option("--account", metavar="EMAIL", help="The account. Default: that of TRIVERSE_API_KEY.")


@click.command("top-up", help="Add credits.", epilog="Example: triverse sandbox top-up 500")
@click.argument("credits_", metavar="CREDITS", type=credits_of)
@_account
@json_option
def top_up(*, credits_: float, account: str | None, as_json: bool) -> None:
    _print_account(as_json, _call("POST", "top-up", credits=credits_, account=account))


@click.command(
    help="Freeze credits of an account, as a task does.",
    short_help="Freeze credits.",
    epilog="Example: triverse sandbox freeze 20",
)
@click.argument("credits_", metavar="CREDITS", type=credits_of)
@_account
@json_option
def freeze(*, credits_: float, account: str | None, as_json: bool) -> None:
    _print_account(as_json, _call("POST", "freeze", credits=credits_, account=account))


@click.command(
    help="Release the credits that `freeze` froze.",
    short_help="Release frozen credits.",
    epilog="Example: triverse sandbox release",
)
@_account
@json_option
def release(*, account: str | None, as_json: bool) -> None:
    _print_account(as_json, _call("POST", "release", account=account))


@click.command(
    "break",
    help="Make requests fail. FAULT is an HTTP status, or a fault such as reset, silent, truncated, html, wrong_types.",
    epilog="""\b
Examples:
  triverse sandbox break 503 --times 2
  triverse sandbox break reset --path /tasks
""",
)
@click.argument("fault")
@click.option("--times", type=click.IntRange(min=1), metavar="N", help="Only the next N requests.")
@click.option("--path", metavar="PATH", help="Only requests to this path, such as /users/balance.")
@json_option
def break_(*, fault: str, times: int | None, path: str | None, as_json: bool) -> None:
    kind = {"status": int(fault)} if fault.isdecimal() else {"fault": fault}
    faults = cast("list[str]", _call("POST", "faults", **kind, times=times, match=path))
    if as_json:
        print_json({"faults": faults})
        return
    for line in faults:
        write_line(line)


@click.command(
    help="Remove every fault of `break`, and name those that no request has met.",
    short_help="Remove all faults.",
    epilog="Example: triverse sandbox repair",
)
@json_option
def repair(*, as_json: bool) -> None:
    unused = cast("list[str]", _call("DELETE", "faults"))
    if as_json:
        print_json({"faults": [], "unused_faults": unused})
        return
    for fault in unused:
        write_line(f"no request has met {fault}")
    write_line("no faults")


COMMANDS: Final = (top_up, freeze, release, break_, repair)


def _call(method: str, control: str, **fields: object) -> object:
    """Send a control request, and return the payload of the response.

    Raises:
        CommandError: no sandbox answers there, or it refused the request.
    """
    origin, headers = _origin()
    query = urlencode({name: value for name, value in fields.items() if value is not None})
    url = f"{origin}/sandbox/{control}{'?' if query else ''}{query}"
    # A proxy of the environment could not reach this machine's own addresses.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(Request(url, method=method, headers=headers), timeout=_TIMEOUT) as response:  # noqa: S310 - http
            return cast("object", json.loads(response.read()))
    except HTTPError as error:
        with error:  # it is the response, too
            raise CommandError(_refusal(error, origin), API_ERROR) from error
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        message = f"no sandbox answers at {origin} ({reason}). To start one: triverse sandbox"
        raise CommandError(message, NETWORK) from error
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{origin} is not a sandbox: its response is not JSON of one", API_ERROR) from error


def _origin() -> tuple[str, dict[str, str]]:
    """Where the sandbox is, and the header that names the account."""
    base_url = os.environ.get("TRIVERSE_BASE_URL")
    if not base_url:
        # The key of the environment may be a real one.
        return _DEFAULT, {}
    parts = urlsplit(base_url)
    if parts.scheme != "http" or (parts.hostname or "").endswith(_SERVICE):
        raise CommandError("TRIVERSE_BASE_URL is not that of a sandbox: paste the lines that it printed", USAGE)
    key = os.environ.get("TRIVERSE_API_KEY", "").strip()
    return f"http://{parts.netloc}", {"Authorization": f"Bearer {key}"} if key.isascii() and key.isprintable() else {}


def _refusal(error: HTTPError, origin: str) -> str:
    try:
        message: object = json.loads(error.read())["message"]
    except (ValueError, LookupError, TypeError, OSError):
        return f"{origin} is not a sandbox: HTTP {error.code}"
    return f"the sandbox refused it: {message}"


def _print_account(as_json: bool, found: object) -> None:  # noqa: FBT001 - the option of the command
    try:
        account = cast("dict[str, object]", found)
        amounts = {field: float(str(account[field])) for field in _AMOUNTS.values()}
        email = account["email"]
    except (LookupError, TypeError, ValueError) as error:
        message = "TRIVERSE_BASE_URL is not that of a sandbox: the response describes no account"
        raise CommandError(message, API_ERROR) from error
    if as_json:
        print_json({"email": email, **amounts})
    else:
        print_fields({"email": email, **{name: credits_text(amounts[field]) for name, field in _AMOUNTS.items()}})


_AMOUNTS: Final = {"available": "balance", "frozen": "frozen"}
