"""Each request to the port gets the documented envelope, and never a 500."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triverse.sandbox import Sandbox


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Sandbox, str]]:
    sandbox = Sandbox()
    with sandbox.serve() as url:
        yield sandbox, url


def is_an_error(status: int, body: bytes) -> dict[str, object]:
    """Check the envelope of an error, and return it."""
    assert 400 <= status < 500
    envelope = cast("dict[str, object]", json.loads(body))
    assert envelope.keys() <= {"code", "message", "suggestion"}
    assert isinstance(envelope["code"], int)
    assert isinstance(envelope["message"], str)
    assert isinstance(envelope["suggestion"], str)
    return envelope


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "wrong", "Bearer a, Bearer b"],
)
@pytest.mark.parametrize("path", ["/users/me", "/users/balance"])
def test_a_missing_or_wrong_key(served: tuple[Sandbox, str], authorization: str | None, path: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = httpx.get(served[1] + path, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    is_an_error(response.status_code, response.content)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/users/me", "/openapi.json"])
def test_a_wrong_method(served: tuple[Sandbox, str], method: str, path: str) -> None:
    response = httpx.request(method, served[1] + path, headers={"Authorization": f"Bearer {served[0].demo.key}"})
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    is_an_error(response.status_code, response.content)


def test_a_head_request_is_a_wrong_method_without_a_body(served: tuple[Sandbox, str]) -> None:
    response = httpx.head(f"{served[1]}/users/me")
    assert (response.status_code, response.content) == (405, b"")


@pytest.mark.parametrize(
    "path", ["", "/users", "/users/", "/users/me/", "/users//me", "/USERS/ME", "/users/%6De%00", "/%ff", "/é"]
)
def test_an_unknown_path(served: tuple[Sandbox, str], path: str) -> None:
    response = httpx.get(served[1] + path)
    assert response.status_code == 404
    assert is_an_error(response.status_code, response.content)["code"] == 1005


def raw(url: str, request: bytes) -> list[tuple[int, bytes]]:
    """Send bytes, and read each response until the server closes the connection."""
    parts = urlsplit(url)
    answers: list[tuple[int, bytes]] = []
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        stream = connection.makefile("rb")
        while line := stream.readline():
            length = 0
            while (header := stream.readline().strip().lower()) != b"":
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            answers.append((int(line.split()[1]), stream.read(length)))
    return answers


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\nnonsense\r\n\r\n",
        b"GET /users/me\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /users/me HTTP/nine\r\n\r\n",
        b"GET /users/me HTTP/1.1\r\n\r\n",  # without a host
        b"GET /users/me HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n",
        b"GET /users/me HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /users/me HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS, to a port without TLS
        b"GET /users/me HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=range(12),
)
def test_bytes_that_are_not_http_are_refused(served: tuple[Sandbox, str], request_bytes: bytes) -> None:
    ((status, body),) = raw(served[1], request_bytes)
    assert status == 400
    assert is_an_error(status, body)["code"] == 1004


@pytest.mark.parametrize(
    ("target", "status"), [(b"*", 404), (b"example.com:443", 404), (b"http://127.0.0.1/users/me", 404)]
)
def test_targets_that_are_no_paths(served: tuple[Sandbox, str], target: bytes, status: int) -> None:
    ((answered, body),) = raw(served[1], b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answered == status
    is_an_error(answered, body)


def test_a_response_arrives_even_if_the_next_request_is_not_http(served: tuple[Sandbox, str]) -> None:
    good = f"GET /users/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {served[0].demo.key}\r\n\r\n".encode()
    first, second = raw(served[1], good + b"nonsense\r\n\r\n")
    assert first[0] == 200
    assert is_an_error(*second)["code"] == 1004


def test_an_incomplete_or_damaged_body_is_an_error_of_the_client(served: tuple[Sandbox, str]) -> None:
    head = b"POST /users/me HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for body in (b"", b"5\r\nab", b"zz\r\n"):
        for status, content in raw(served[1], head + body):
            is_an_error(status, content)
    assert httpx.get(f"{served[1]}/users/me").status_code == 401


def test_a_websocket_is_a_request_like_any_other(served: tuple[Sandbox, str]) -> None:
    response = httpx.get(
        f"{served[1]}/users/me",
        headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    )
    is_an_error(response.status_code, response.content)


@settings(max_examples=60, deadline=None)
@given(
    method=st.text(max_size=10),
    path=st.text(max_size=30) | st.sampled_from(["/users/me", "/users/balance"]),
    headers=st.lists(st.tuples(st.text(max_size=15) | st.just("Authorization"), st.text(max_size=30)), max_size=4),
)
def test_no_request_causes_a_server_error(method: str, path: str, headers: list[tuple[str, str]]) -> None:
    answer = Sandbox().handle(method, path, headers)
    is_an_error(answer.status, answer.body)
