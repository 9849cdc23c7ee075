"""`triverse doctor`: why a call does not work, and what to do.

It goes the way of a call, step by step, and each step says what it saw. The first that fails is the cause.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from triverse import ConfigurationError, Request, Timeout, Triverse, TriverseError, __version__, api
from triverse.cli.advice import diagnosis
from triverse.cli.checks import Finding, Mark, failed, fine, noted, shown
from triverse.cli.client import show_attempts
from triverse.cli.exit_codes import FINE, USAGE, status_of
from triverse.cli.keys import FoundKey, find_key
from triverse.cli.network import Place, check_certificates, check_network, check_proxy, parse_place
from triverse.clients.config import base_url_or_default
from triverse.core.headers import Headers
from triverse.core.secret import Secret

__all__ = ["examine"]

# For one call without retries, since those would hide what happens. Apart, to tell silence from a trickle.
PHASE_SECONDS: Final = 5.0
CALL_SECONDS: Final = 12.0

SLOW_SECONDS: Final = 2.0
_SKEW_SECONDS: Final = 30.0


def examine(profile: str | None, *, debug: bool) -> int:
    """Print each finding as it comes, then the cause; give the exit status."""
    show_attempts(debug)
    causes: list[Finding] = []
    for finding in _findings(profile):
        print(shown(finding), flush=True)  # noqa: T201 - printing is what a command does
        if finding.mark is Mark.FAILED:
            causes.append(finding)
        elif finding.advice:
            print(f"      {finding.advice}")  # noqa: T201 - as above
    _print_verdict(f"Cause: {causes[0].advice}" if causes else "Everything works.")
    return causes[0].status if causes else FINE


def _print_verdict(verdict: str) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(verdict) + 1
    print(f"\n{textwrap.fill(verdict, width)}")  # noqa: T201 - as above


def _findings(profile: str | None) -> Iterator[Finding]:
    yield fine("versions", f"triverse {__version__}, Python {platform.python_version()}, {platform.system()}")
    key, finding = _check_key(profile)
    yield finding
    service, finding = _check_base_url()
    yield finding
    if service is None:
        return
    proxy, finding = check_proxy(service)
    yield finding
    certificates = check_certificates(service)
    yield certificates
    if finding.status or certificates.status:
        return
    for step in check_network(service, proxy):
        yield step
        if step.status:
            return
    if key is not None:
        yield from _check_endpoints(key)


def _check_key(profile: str | None) -> tuple[FoundKey | None, Finding]:
    try:
        key = find_key(profile)
        Secret(key.value).validated()
    except ConfigurationError as error:
        return None, failed("key", "none that could be used", f"{error}.", USAGE)
    return key, fine("key", f"from {key.source}")


def _check_base_url() -> tuple[Place | None, Finding]:
    url = base_url_or_default(None)
    try:
        place = parse_place(url)
    except ConfigurationError as error:
        return None, failed("base URL", error, f"Correct TRIVERSE_BASE_URL: {error}.", USAGE)
    source = "from TRIVERSE_BASE_URL" if os.environ.get("TRIVERSE_BASE_URL") else "the default"
    return place, fine("base URL", f"{url}, {source}")


def _check_endpoints(key: FoundKey) -> Iterator[Finding]:
    timeout = Timeout(connect=PHASE_SECONDS, read=PHASE_SECONDS, write=PHASE_SECONDS)
    with Triverse(key.value, timeout=timeout, deadline=CALL_SECONDS, max_retries=0) as client:
        headers, finding = _ask(client, api.users.me(), key)
        yield _check_clock(headers)
        yield finding
        yield _ask(client, api.users.balance(), key)[1]


def _ask(client: Triverse, request: Request[object], key: FoundKey) -> tuple[Headers, Finding]:
    name, started = f"{request.method} {request.path}", time.monotonic()
    try:
        response = client.send(request)
    except TriverseError as error:
        took = time.monotonic() - started
        headers: Headers = getattr(error, "headers", Headers())
        return headers, failed(name, error, diagnosis(error, key.source), status_of(error), took)
    took = response.elapsed
    if took > SLOW_SECONDS:
        return response.headers, noted(name, f"HTTP {response.status_code}, but slow", "The service is slow now.", took)
    return response.headers, fine(name, f"HTTP {response.status_code}", took)


def _check_clock(headers: Headers) -> Finding:
    """This machine's clock against the server's."""
    now = time.time()
    try:
        ahead = now - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return noted("clock", "not compared: no answer with a date came")
    if abs(ahead) <= _SKEW_SECONDS:
        return fine("clock", "agrees with the server's")
    said = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    return noted("clock", said, "Set this machine's clock: certificates and waiting times go wrong by it.")
