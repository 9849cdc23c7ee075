"""`triverse doctor`: why a call does not work, and what to do.

The checks follow the path of a call, step by step. The first one that fails is the cause.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import textwrap
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import click

from triverse import ConfigurationError, Request, Timeout, Triverse, TriverseError, __version__, api
from triverse.cli import missing_module
from triverse.cli.advice import advice_for
from triverse.cli.checks import CheckResult, CheckStatus, failed, format_result, noted, passed, sentence, to_json
from triverse.cli.keys import FoundKey, find_key
from triverse.cli.network import Origin, check_certificates, check_network, check_proxy, parse_origin
from triverse.cli.options import ClientFactory, client_options, json_option
from triverse.cli.output import API_ERROR, OK, USAGE, for_command, is_terminal, print_json, status_of, write_line
from triverse.clients.config import make_settings
from triverse.core.defaults import DEFAULT_MAX_CONNECTIONS
from triverse.core.headers import Headers
from triverse.core.secret import Secret

__all__ = ["doctor"]

# Limits of one call. It has no retries, which would hide failures. Two limits distinguish no response from a slow one.
PHASE_SECONDS: Final = 5.0
CALL_SECONDS: Final = 12.0

SLOW_SECONDS: Final = 2.0
_MAX_SKEW_SECONDS: Final = 30.0
# A model takes a few MB; a render of many pictures or a large upload takes 200 MB.
_LOW_DISK: Final = 500 * 1000 * 1000
# A grey PNG of one pixel: a proxy or firewall may let small requests pass, but no multipart upload.
_PIXEL: Final = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


@click.command(
    help="Find out why a call does not work, and what to do.",
    epilog="""\b
Examples:
  triverse doctor --profile work
  triverse doctor --json

It uploads a picture of one pixel, which costs nothing. The exit status is that of the first check that failed.
""",
)
@json_option
@client_options
def doctor(factory: ClientFactory, *, as_json: bool) -> int:
    factory.show_attempts()
    results = list[CheckResult]()
    for result in _run_checks(factory):
        results.append(result)
        if not as_json:
            _print(result)
    first = next((result for result in results if result.status is CheckStatus.FAILED), None)
    if as_json:
        print_json(_report(results, first))
    else:
        _print_verdict(f"Cause: {first.advice}" if first else "Everything works.")
    return first.exit_status if first else OK


def _report(results: Iterable[CheckResult], first: CheckResult | None) -> dict[str, object]:
    return {
        "ok": first is None,
        "cause": first.advice if first else None,
        "exit_status": first.exit_status if first else OK,
        "checks": [to_json(result) for result in results],
    }


def _print(result: CheckResult) -> None:
    write_line(format_result(result), flush=True)
    if result.advice and result.status is CheckStatus.NOTE:
        write_line(f"      {result.advice}")


def _print_verdict(verdict: str) -> None:
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else len(verdict) + 1
    write_line(f"\n{textwrap.fill(verdict, width)}")


def _run_checks(factory: ClientFactory) -> Iterator[CheckResult]:
    yield passed("versions", f"triverse {__version__}, Python {platform.python_version()}, {platform.system()}")
    yield _check_disk()
    if factory.sandbox:
        yield passed("sandbox", "a local Triverse in this process; key and network are not checked")
        with factory.local.client() as client:
            yield from _check_endpoints(client, "the sandbox")
        return
    key, result = _check_key(factory.profile)
    yield result
    service, result = _check_base_url()
    yield result
    if service is None:
        return
    proxy, result = check_proxy(service)
    yield result
    certificates = check_certificates(service)
    yield certificates
    if result.exit_status or certificates.exit_status:
        return
    for step in check_network(service, proxy):
        yield step
        if step.exit_status:
            return
    if key is not None:
        timeout = Timeout(connect=PHASE_SECONDS, read=PHASE_SECONDS, write=PHASE_SECONDS)
        with Triverse(key.value, timeout=timeout, deadline=CALL_SECONDS, max_retries=0) as client:
            yield from _check_endpoints(client, key.source)


def _check_disk() -> CheckResult:
    """Space for downloads here, and for uploads that are spooled to a temporary file first."""
    try:
        free = {path: _free_bytes(path) for path in (Path.cwd(), Path(tempfile.gettempdir()))}
    except OSError as error:
        return failed("disk", error, "Change to a directory that exists and can be written to.", USAGE)
    detail = ", ".join(f"{amount / 1e9:.1f} GB free in {path}" for path, amount in free.items())
    if min(free.values()) == 0:
        return failed("disk", detail, "The disk is full: downloads and uploads need space. Free some.", API_ERROR)
    if min(free.values()) < _LOW_DISK:
        return noted("disk", detail, "Free some space: a download or upload may need 200 MB.")
    return passed("disk", detail)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def _check_key(profile: str | None) -> tuple[FoundKey | None, CheckResult]:
    try:
        key = find_key(profile)
    except ConfigurationError as error:
        return None, failed("key", "none was found", sentence(error), USAGE)
    except ModuleNotFoundError as error:
        message = missing_module(error)
        if message is None:
            raise
        advice = f"The key of the profile is in the system's keyring, and {message}."
        return None, failed("key", "in the system's keyring, which cannot be read", advice, USAGE)
    try:
        Secret(key.value).validated()
    except ConfigurationError as error:
        return None, failed("key", f"from {key.source}, but it cannot be used", sentence(error), USAGE)
    return key, passed("key", f"from {key.source}")


def _check_base_url() -> tuple[Origin | None, CheckResult]:
    settings = make_settings(None, DEFAULT_MAX_CONNECTIONS, allow_http=False)
    try:
        origin = parse_origin(settings)
    except ConfigurationError as error:
        advice = sentence(for_command(str(error), "the profile"))
        return None, failed("base URL", "that of TRIVERSE_BASE_URL cannot be used", advice, USAGE)
    source = "from TRIVERSE_BASE_URL" if os.environ.get("TRIVERSE_BASE_URL") else "the default"
    return origin, passed("base URL", f"{settings.base_url}, {source}")


def _check_endpoints(client: Triverse, source: str) -> Iterator[CheckResult]:
    headers, result = _send(client, api.users.me(), source)
    yield _check_clock(headers)
    yield result
    yield _send(client, api.users.balance(), source)[1]
    yield _check_upload(client, source)


def _check_upload(client: Triverse, source: str) -> CheckResult:
    """Upload a picture. Uploads cost nothing."""
    name, started = "POST /upload/image", time.monotonic()
    try:
        client.uploads.image(_PIXEL, filename="triverse-doctor.png", timeout=CALL_SECONDS)
    except TriverseError as error:
        took = time.monotonic() - started
        return failed(name, for_command(str(error), source), advice_for(error, source), status_of(error), took)
    return passed(name, "a picture of one pixel was uploaded", time.monotonic() - started)


def _send(client: Triverse, request: Request[object], source: str) -> tuple[Headers, CheckResult]:
    name, started = f"{request.method} {request.path}", time.monotonic()
    try:
        response = client.send(request)
    except TriverseError as error:
        took = time.monotonic() - started
        headers: Headers = getattr(error, "headers", Headers())
        return headers, failed(name, for_command(str(error), source), advice_for(error, source), status_of(error), took)
    took = response.elapsed
    if took > SLOW_SECONDS:
        return response.headers, noted(name, f"HTTP {response.status_code}, but slow", "The service is slow now.", took)
    return response.headers, passed(name, f"HTTP {response.status_code}", took)


def _check_clock(headers: Headers) -> CheckResult:
    """Compare this machine's clock with the server's."""
    now = time.time()
    try:
        ahead = now - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return noted("clock", "not compared, since no response with a date came")
    if abs(ahead) <= _MAX_SKEW_SECONDS:
        return passed("clock", "agrees with the server's")
    detail = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    return noted("clock", detail, "Set this machine's clock: certificates and waiting times depend on it.")
