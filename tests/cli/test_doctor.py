from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Protocol

import pytest
from support import tls
from support.clients import KEY
from support.server import (
    BALANCE,
    ME,
    UPLOADED,
    Peer,
    Received,
    Script,
    Server,
    answer,
    envelope,
    keep_answering,
    serving,
    usual,
)

from triverse.cli import doctor, main
from triverse.sandbox import Fault, Sandbox

Examined = tuple[int, str]


class Examine(Protocol):
    """Runs the doctor with a base URL and a key."""

    def __call__(self, url: str, key: str = KEY) -> Examined: ...


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Return the exit status of the doctor for a base URL, and its output."""
    monkeypatch.setattr(doctor, "PHASE_SECONDS", 0.4)
    monkeypatch.setattr(doctor, "CALL_SECONDS", 0.8)

    def examine(url: str, key: str = KEY) -> Examined:
        monkeypatch.setenv("TRIVERSE_API_KEY", key)
        monkeypatch.setenv("TRIVERSE_BASE_URL", url)
        status = main(["doctor"])
        out, error = capsys.readouterr()
        assert error == ""
        assert key not in out
        return status, out

    return examine


def cause(output: str) -> str:
    """Return the last line of the output."""
    return output.rstrip().splitlines()[-1]


def test_all_is_well(examine: Examine) -> None:
    with serving(lambda _: answer(envelope({**ME, **BALANCE, **UPLOADED}), headers={"Date": now()})) as server:
        status, output = examine(server.url)
    assert (status, cause(output)) == (0, "Everything works.")
    names = [line[6:26].strip() for line in output.splitlines()[:-2]]
    assert names == [
        "versions", "disk", "key", "base URL", "proxy", "certificates", "DNS", "connection",
        "clock", "GET /users/me", "GET /users/balance", "POST /upload/image",
    ]  # fmt: skip
    assert "from TRIVERSE_API_KEY" in output
    assert f"{server.url}, from TRIVERSE_BASE_URL" in output
    assert {line[:4].strip() for line in output.splitlines()[:-2]} == {"ok"}


def now(ahead: float = 0.0) -> str:
    return formatdate(time.time() + ahead, usegmt=True)


@pytest.mark.parametrize(
    ("ahead", "message"), [(3600, "3600 s behind the server's"), (-3600, "3600 s ahead of the server's")]
)
def test_a_wrong_clock_is_noted(ahead: float, message: str, examine: Examine) -> None:
    with serving(lambda _: answer(envelope({**ME, **BALANCE, **UPLOADED}), headers={"Date": now(ahead)})) as server:
        status, out = examine(server.url)
    assert status == 0
    # The clock may move on by a second or two meanwhile.
    assert any(message.replace("3600", str(3600 + shift)) in out for shift in (-2, -1, 0, 1, 2))
    assert "Set this machine's clock" in out


def refuse(status: int, code: int, suggestion: str | None = None, **headers: str) -> Script:
    return keep_answering(
        lambda _: answer({"code": code, "message": "No", "suggestion": suggestion}, status, {**headers})
    )


def of_body(body: bytes | object, **headers: str) -> Script:
    return keep_answering(lambda _: answer(body, headers={name.replace("_", "-"): v for name, v in headers.items()}))


def hang(peer: Peer) -> None:
    peer.request()
    peer.pause()


def trickle(peer: Peer) -> None:
    received = peer.request()
    if received is not None:
        peer.trickle(usual(received), pause=0.05)


def truncate(peer: Peer) -> None:
    received = peer.request()
    if received is not None:
        peer.send(usual(received)[:-10])


def reset(peer: Peer) -> None:
    if peer.request() is not None:
        peer.reset()


@pytest.mark.parametrize(
    ("script", "status", "expected"),
    [
        (refuse(401, 1001), 1, "The service does not accept the key from TRIVERSE_API_KEY"),
        (refuse(403, 1003), 1, "is not allowed to make this call"),
        (refuse(403, 2010, "Buy some."), 1, "The service refused the call: No. The service suggests: Buy some."),
        (refuse(404, 1005), 1, "check the path of TRIVERSE_BASE_URL"),
        (refuse(429, 2000), 1, "Too many requests were sent with this key: wait a while."),
        (refuse(429, 2000, **{"Retry-After": "7"}), 1, "wait 7 s."),
        (refuse(500, 5005), 1, "The service itself has a fault (HTTP 500)"),
        (refuse(503, 5003, "Come back."), 1, "The service suggests: Come back."),
        (of_body(b"{'nearly': json}"), 1, "The response is damaged or is not JSON"),
        (
            of_body(b"<html>log in</html>", Content_Type="text/html"),
            1,
            "A web page (HTTP 200) came instead of a response",
        ),
        (of_body(envelope({**ME, "email": None})), 1, "The response is not what the API documents at data.email"),
        (hang, 4, "no response comes"),
        (trickle, 4, "comes too slowly"),
        (truncate, 4, "The connection broke before the response was complete"),
        (reset, 4, "The connection broke before the response was complete"),
    ],
)
def test_each_fault_is_named(script: Script, status: int, expected: str, examine: Examine) -> None:
    with Server(script) as server:
        examined, output = examine(server.url)
    assert examined == status
    assert expected in cause(output)
    assert cause(output).startswith("Cause: ")


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        (Fault(status=401), 1, "The service does not accept the key"),
        (Fault(code=2010), 1, "The service refused the call"),
        (Fault(status=429, retry_after=7), 1, "wait 7 s"),
        (Fault(status=503), 1, "The service itself has a fault (HTTP 503)"),
        (Fault(code=5005), 1, "The service itself has a fault (HTTP 500)"),
        (Fault.malformed_json(), 1, "The response is damaged or is not JSON"),
        (Fault.wrong_types(), 1, "The response is not what the API documents at data.id"),
        (Fault.html(), 1, "A web page (HTTP 502) came"),
        (Fault.truncated(), 4, "The connection broke"),
        (Fault.trickled(), 4, "comes too slowly"),
        (Fault.reset(), 4, "The connection broke"),
        (Fault.silent(), 4, "no response comes"),
    ],
)
def test_each_fault_of_the_sandbox_is_named(fault: Fault, status: int, expected: str, examine: Examine) -> None:
    sandbox = Sandbox()
    sandbox.faults.add(fault, match="/users/me")
    with sandbox.serve() as url:
        examined, output = examine(url, sandbox.demo.key)
    assert examined == status
    assert expected in cause(output)
    assert "ok    GET /users/balance " in output


def test_a_slow_answer_is_noted(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SLOW_SECONDS", 0.0)
    with serving() as server:
        status, output = examine(server.url)
    assert status == 0
    assert "note  GET /users/me         HTTP 200, but slow" in output


def test_one_endpoint_can_fail_alone(examine: Examine) -> None:
    def broken_balance(received: Received) -> bytes:
        return usual(received) if received.path.endswith("/me") else answer(b"", 503)

    with serving(broken_balance) as server:
        status, output = examine(server.url)
    assert status == 1
    assert "ok    GET /users/me " in output
    assert "FAIL  GET /users/balance " in output


@pytest.mark.parametrize(
    ("url", "status", "expected"),
    [
        ("http://127.0.0.1:9", 4, "No server listens there: check that 127.0.0.1:9 is right and running"),
        ("https://nowhere.invalid", 4, "The host name of nowhere.invalid cannot be resolved"),
        ("http://example.com", 2, "Cause: TRIVERSE_BASE_URL must begin with https://"),
    ],
)
def test_a_base_url_that_leads_nowhere_is_named(url: str, status: int, expected: str, examine: Examine) -> None:
    examined, output = examine(url)
    assert examined == status
    assert expected in cause(output)


def test_a_host_that_does_not_answer_is_named(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("socket.create_connection", silent)
    status, output = examine("http://127.0.0.1:9")
    assert status == 4
    assert "It cannot be reached" in cause(output)


def test_no_key_is_named_but_the_way_is_still_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        assert main(["doctor"]) == 2
    output = capsys.readouterr().out
    assert "FAIL  key " in output
    assert "ok    connection " in output
    assert cause(output).startswith("Cause: No API key: set TRIVERSE_API_KEY")


def test_a_key_that_was_copied_wrong_is_named_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://127.0.0.1:9")
    assert main(["doctor"]) == 2
    output = capsys.readouterr().out
    assert KEY not in output
    assert "begins or ends with white space" in cause(output)


def test_tls_that_is_trusted_is_shown(examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls.trust(monkeypatch, tmp_path)
    with serving(tls=tls.server_context()) as server:
        status, output = examine(server.url)
    assert status == 0
    assert "ok    TLS                   TLSv1.3, certificate valid until" in output
    assert f"SSL_CERT_FILE={tmp_path}" in output


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (tls.expired, "check this machine's clock"),
        (tls.wrong_name, "The certificate belongs to another host"),
        (tls.self_signed, "This machine does not trust the certificate's issuer: set SSL_CERT_FILE"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_named(
    context: Callable[[], ssl.SSLContext],
    expected: str,
    examine: Examine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    tls.trust(monkeypatch, tmp_path)
    with serving(tls=context()) as server:
        status, output = examine(server.url)
    assert status == 4
    assert expected in cause(output)


def test_a_server_without_tls_is_named(examine: Examine) -> None:
    with serving() as server:
        status, output = examine(server.url.replace("http:", "https:"))
    assert status == 4
    assert "does not answer with TLS" in cause(output)


def test_certificates_that_cannot_be_read_are_named(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/not/there.pem")
    status, output = examine("https://nowhere.invalid")
    assert status == 2
    assert "Correct SSL_CERT_FILE=/not/there.pem" in cause(output)


def test_without_a_setting_the_certificates_are_those_of_certifi(examine: Examine) -> None:
    assert "ok    certificates          those of certifi" in examine("https://nowhere.invalid")[1]


def test_a_proxy_is_shown_without_its_password(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:password@127.0.0.1:9")
    status, output = examine("https://nowhere.invalid")
    assert status == 4
    assert "http://127.0.0.1:9, from the environment" in output
    assert "password" not in output
    assert "No server listens there: check that the proxy 127.0.0.1:9 is right and running" in cause(output)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "gopher://127.0.0.1"])
def test_a_proxy_that_is_no_url_is_named(url: str, examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    status, output = examine("https://nowhere.invalid")
    assert status == 2
    assert "Correct HTTPS_PROXY or ALL_PROXY" in cause(output)


def test_a_certificate_behind_a_proxy_that_is_not_trusted_is_named(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tunnel(peer: Peer) -> None:
        if peer.request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            peer.start_tls(tls.self_signed())

    with Server(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        status, output = examine("https://nowhere.invalid")
    assert status == 4
    assert "set SSL_CERT_FILE" in cause(output) or "another host" in cause(output)


def test_a_proxy_that_refuses_is_named(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(b"", 407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        status, output = examine("https://nowhere.invalid")
    assert status == 4
    assert "note  TLS                   the proxy connects it; see the requests below" in output
    assert "The proxy refuses the connection" in cause(output)
