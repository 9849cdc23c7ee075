"""Both clients against a real server: what they send, and what they return."""

from __future__ import annotations

import platform
from pathlib import Path

import httpx
import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import BALANCE, ME, Peer, Received, Server, answer, envelope, serving
from support.tls import server_context, trust

import triverse
from triverse import APIError, ConfigurationError, InvalidResponseError, NotFoundError, Request, api

each_mode = pytest.mark.parametrize("mode", MODES_AND_UVLOOP)


@each_mode
def test_the_documented_values_are_returned(mode: Mode) -> None:
    with serving() as server:
        me = drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
        balance = drive(mode, lambda c: c.users.balance(), lambda c: c.users.balance(), base_url=server.url)
    assert (str(me.id), me.email, me.plan_name) == (ME["id"], ME["email"], ME["plan_name"])
    assert (balance.balance, balance.frozen) == (BALANCE["balance"], BALANCE["frozen"])


@each_mode
def test_a_request_has_these_headers_and_no_others(mode: Mode) -> None:
    with serving() as server:
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
    agent = f"triverse/{triverse.__version__} Python/{platform.python_version()} httpx/{httpx.__version__}"
    assert server.requests[0].headers == [
        ("Host", f"127.0.0.1:{server.port}"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", agent),
        ("Authorization", f"Bearer {KEY}"),
    ]


@each_mode
def test_certificates_of_the_environment_are_trusted(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path)
    with serving(tls=server_context()) as server:
        balance = drive(mode, lambda c: c.users.balance(), lambda c: c.users.balance(), base_url=server.url)
    assert balance.total == 125.0


@each_mode
def test_successive_calls_use_one_connection(mode: Mode) -> None:
    def many(client: triverse.Triverse) -> None:
        for _ in range(5):
            client.users.balance()

    async def many_async(client: triverse.AsyncTriverse) -> None:
        for _ in range(5):
            await client.users.balance()

    with serving() as server:
        drive(mode, many, many_async, base_url=server.url)
        assert server.settled()
    assert (server.connections, len(server.requests)) == (1, 5)


@each_mode
def test_request_reaches_an_endpoint_without_a_model(mode: Mode) -> None:
    def quote(received: Received) -> bytes:
        return answer(envelope([received.method, received.target, received.body.decode()]))

    with serving(quote) as server:
        got = drive(
            mode,
            lambda c: c.request(
                "post", "/tasks/pricing/quote", params={"a": 1, "b": None}, json={"x": "é"}, into=list[str]
            ),
            lambda c: c.request(
                "post", "/tasks/pricing/quote", params={"a": 1, "b": None}, json={"x": "é"}, into=list[str]
            ),
            base_url=server.url,
        )
    assert got == ["POST", "/api/v1/tasks/pricing/quote?a=1", '{"x": "é"}']
    assert server.requests[0].header("Content-Type") == "application/json"


@each_mode
def test_send_returns_status_headers_attempts_and_time(mode: Mode) -> None:
    def identified(_: Received) -> bytes:
        return answer(envelope(BALANCE), 201, {"X-Request-Id": "req-7"})

    request = triverse.api.users.balance()
    with serving(identified) as server:
        response = drive(mode, lambda c: c.send(request), lambda c: c.send(request), base_url=server.url)
    assert (response.status_code, response.request_id, response.attempts) == (201, "req-7", 1)
    assert response.headers["x-request-id"] == "req-7"
    assert response.elapsed > 0
    assert response.data.total == 125.0


@each_mode
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(mode: Mode, status: int) -> None:
    with serving() as elsewhere:

        def moved(_: Received) -> bytes:
            return answer(b"", status, {"Location": f"{elsewhere.url}/users/me"})

        with serving(moved) as server, pytest.raises(APIError) as caught:
            drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
    assert caught.value.status_code == status
    assert elsewhere.connections == 0
    assert len(server.requests) == 1


@each_mode
def test_an_error_has_the_services_code_and_suggestion(mode: Mode) -> None:
    with serving() as server, pytest.raises(NotFoundError) as caught:
        drive(mode, lambda c: c.request("GET", "/nowhere"), lambda c: c.request("GET", "/nowhere"), base_url=server.url)
    assert (caught.value.code, caught.value.suggestion) == (1005, "Look elsewhere.")


@each_mode
def test_a_body_is_read_up_to_eight_mebibytes(mode: Mode) -> None:
    sent = 0

    def endless(peer: Peer) -> None:
        nonlocal sent
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            peer.send(b" " * 65536)
            sent += 65536

    with Server(endless) as server, pytest.raises(InvalidResponseError, match="8 MiB"):
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url)
    assert sent < 32 * 1024**2
    assert server.connections == 1


@each_mode
@pytest.mark.parametrize("odd", [None, "/users/me", api.users.me])
def test_a_wrong_request_is_refused_with_advice(mode: Mode, odd: Request[object]) -> None:
    with serving() as server, pytest.raises(ConfigurationError, match=r"not a request: .+ as in api\.users\.me\(\)"):
        drive(mode, lambda c: c.send(odd), lambda c: c.execute(odd), base_url=server.url)
    assert server.connections == 0
