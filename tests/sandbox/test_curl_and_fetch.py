"""Other clients than this package: the samples of the service's documentation, and httpx."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from triverse.sandbox import Sandbox

# From the documentation of the service. Only host and key are replaced.
CURL = """\
curl -X 'GET' \
'https://api.triverse.ai/api/v1/users/me' \
-H 'accept: application/json' \
-H 'Authorization: Bearer <YOUR_API_KEY>'"""

JAVASCRIPT = """\
const response = await fetch("https://api.triverse.ai/api/v1/users/balance", {
method: "GET",
headers: {
Accept: "application/json",
Authorization: "Bearer <YOUR_API_KEY>",
},
});
const data = await response.json();
console.log(data);"""

PYTHON = """\
import requests
response = requests.get(
"https://api.triverse.ai/api/v1/users/balance",
headers={
"Accept": "application/json",
"Authorization": "Bearer <YOUR_API_KEY>",
},
)
print(response.json())"""

ME = {
    "code": 0,
    "message": "success",
    "data": {
        "id": "to be filled in",
        "email": "ada@example.com",
        "web_credits_balance": 12.5,
        "api_credits_balance": 100.0,
        "plan_name": None,
    },
}
BALANCE = {"code": 0, "message": "success", "data": {"balance": 100.0, "frozen": 20.25}}


class Served:
    """An account on a served sandbox."""

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self.url = url
        self.account = sandbox.add_account(email="ada@example.com", api_credits=120.25, web_credits=12.5)
        self.account.freeze(20.25)

    def fill_in(self, sample: str) -> str:
        """Return the sample with another host and key."""
        changed = sample.replace("https://api.triverse.ai/api/v1", self.url)
        return changed.replace("<YOUR_API_KEY>", self.account.key)

    @property
    def me(self) -> dict[str, Any]:
        return {**ME, "data": {**ME["data"], "id": str(self.account.id)}}  # type: ignore[dict-item]  # pyright: ignore[reportGeneralTypeIssues]  # it is a dict


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    sandbox = Sandbox()
    with sandbox.serve() as url:
        yield Served(sandbox, url)


def printed(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - commands of the documentation
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_of_the_page(served: Served) -> None:
    assert json.loads(printed(*shlex.split(served.fill_in(CURL)))) == served.me


def test_the_python_sample_of_the_page(served: Served) -> None:
    assert printed(sys.executable, "-c", served.fill_in(PYTHON)).strip() == str(BALANCE)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_javascript_sample_of_the_page(served: Served) -> None:
    # The sample prints an object, not JSON. It is kept, and a line that prints JSON is added.
    program = served.fill_in(JAVASCRIPT) + "\nconsole.log(JSON.stringify(data));"
    shown = printed("node", "--input-type=module", "--eval", program)
    assert json.loads(shown.splitlines()[-1]) == BALANCE


def test_a_bare_httpx_client(served: Served) -> None:
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {served.account.key}"}) as client:
        for path, expected in (("/users/me", served.me), ("/users/balance", BALANCE)):
            response = client.get(path)
            assert response.headers["Content-Type"] == "application/json"
            assert (response.status_code, response.json()) == (200, expected)


def test_pipelined_requests_on_one_connection_are_answered_in_order(served: Served) -> None:
    lines = "GET /api/v1/users/{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n"
    asked = ["me", "balance", "nothing", "balance", "me"]
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall("".join(lines.format(name, served.account.key) for name in asked).encode())
        stream = connection.makefile("rb")
        answers: list[tuple[int, Any]] = []
        for _ in asked:
            status = int(stream.readline().split()[1])
            headers = dict(iter(lambda: _header(stream.readline()), ("", "")))
            answers.append((status, json.loads(stream.read(int(headers["content-length"])))))
    not_found = answers.pop(2)
    assert answers == [(200, served.me), (200, BALANCE), (200, BALANCE), (200, served.me)]
    assert (not_found[0], not_found[1]["code"]) == (404, 1005)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").strip().partition(":")
    return name.lower(), value.strip()
