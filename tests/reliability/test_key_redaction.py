"""The key does not show in any error, log, repr or pickle."""

from __future__ import annotations

import io
import pickle
import traceback
import warnings
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clients import MODES, Mode, drive
from support.faults import FAULTS, Fault
from support.key_search import occurrences, our_frames, traceback_text
from support.server import Received, Server, answer, envelope, serving
from support.tls import trust

from triverse import ConfigurationError, Triverse, TriverseError, api

KEY = "tv/live+key=0123456789%abcdef"

each_mode = pytest.mark.parametrize("mode", MODES)


def call(mode: Mode, url: str, key: str = KEY) -> None:
    drive(
        mode,
        lambda client: client.users.me(),
        lambda client: client.users.me(),
        base_url=url,
        api_key=key,
        deadline=0.3,
        max_retries=0,
    )


SOME = [fault for fault in FAULTS if fault.outcome is not None and fault.script is not None]


@each_mode
@pytest.mark.parametrize("fault", SOME, ids=lambda fault: fault.name)
def test_no_fault_shows_the_key(
    fault: Fault, mode: Mode, everything_logged: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path)
    assert fault.script is not None
    with (
        warnings.catch_warnings(record=True) as warned,
        Server(fault.script, fault.context and fault.context()) as server,
        pytest.raises(TriverseError) as caught,
    ):
        call(mode, server.url)
    assert not occurrences(KEY, traceback_text(caught.value))
    assert not occurrences(KEY, everything_logged.getvalue())
    assert not occurrences(KEY, str(warned))


def echo(received: Received, status: int) -> bytes:
    """Return a response that repeats the key in its body, its headers and its reason phrase."""
    key = received.header("Authorization").removeprefix("Bearer ")
    encoded = b64encode(key.encode()).decode()
    body = {
        "code": 1001,
        "message": f"key {key} is unknown ({encoded})",
        "suggestion": quote(key, safe=""),
        "detail": [key],
        "data": {"email": key, "id": key},
    }
    return answer(body, status, {"X-Echo": key, "X-Request-Id": f"{key}-7", "X-Encoded": encoded}, reason=key)


@each_mode
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500, 503])
def test_a_response_that_repeats_the_key_does_not_show_it(
    mode: Mode, status: int, everything_logged: io.StringIO
) -> None:
    with serving(lambda received: echo(received, status)) as server, pytest.raises(TriverseError) as caught:
        call(mode, server.url)
    assert not occurrences(KEY, traceback_text(caught.value))
    assert not occurrences(KEY, everything_logged.getvalue())


@each_mode
def test_a_malformed_response_that_repeats_the_key_does_not_show_it(mode: Mode, everything_logged: io.StringIO) -> None:
    def nonsense(received: Received) -> bytes:
        return f"HTTP/1.1 200 OK\r\n{received.header('Authorization')}\r\n\r\n".encode()

    with serving(nonsense) as server, pytest.raises(TriverseError) as caught:
        call(mode, server.url)
    assert not occurrences(KEY, traceback_text(caught.value))
    assert not occurrences(KEY, everything_logged.getvalue())


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60))
def test_no_key_is_shown_whatever_its_characters(everything_logged: io.StringIO, key: str) -> None:
    key = f"tv-{key}"
    with serving(lambda received: echo(received, 403)) as server, pytest.raises(TriverseError) as caught:
        call("sync", server.url, key)
    assert not occurrences(key, traceback_text(caught.value))
    assert not occurrences(key, everything_logged.getvalue())


@each_mode
def test_a_good_call_logs_no_key_however_much_is_logged(mode: Mode, everything_logged: io.StringIO) -> None:
    def echoing(received: Received) -> bytes:
        return answer(envelope({"balance": 1, "frozen": 2}), headers={"X-Echo": received.header("Authorization")})

    with serving(echoing) as server:
        response = drive(
            mode,
            lambda client: client.send(api.users.balance()),
            lambda client: client.send(api.users.balance()),
            base_url=server.url,
            api_key=KEY,
        )
    assert not occurrences(KEY, everything_logged.getvalue() + repr(response) + str(dict(response.headers)))


def test_a_client_shows_no_key() -> None:
    with Triverse(KEY) as client:
        view = client.with_options(api_key=KEY + "2")
        for shown in (client, view, client.users, vars(client), vars(view)):
            assert not occurrences(KEY, repr(shown) + str(shown))
        with pytest.raises(TypeError) as caught:
            pickle.dumps(client)
    assert not occurrences(KEY, str(caught.value))


def test_errors_of_other_arguments_do_not_show_the_key() -> None:
    for wrong in ({"base_url": "ftp://x"}, {"timeout": -1}, {"max_connections": 0}, {"max_retries": -1}):
        with pytest.raises(ConfigurationError) as caught:
            Triverse(KEY, **wrong)  # pyright: ignore[reportArgumentType]  # each is wrong on purpose
        assert not occurrences(KEY, traceback_text(caught.value))
    with Triverse(KEY) as client, serving() as server:
        for request in ({"json": float("nan")}, {"json": {1, 2}}, {"params": {"a": object()}}):
            with pytest.raises(TriverseError) as broken, Triverse(KEY, base_url=server.url) as other:
                other.request("POST", "/x", **request)  # pyright: ignore[reportArgumentType,reportCallIssue]  # wrong on purpose
            assert not occurrences(KEY, traceback_text(broken.value))
        assert client is not None


class Interrupted(BaseException):
    pass


def test_an_interrupt_while_the_request_is_written_does_not_show_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import socket  # noqa: PLC0415 - to be patched

    def interrupted(*_: object) -> int:
        raise Interrupted

    with serving() as server, Triverse(KEY, base_url=server.url) as client:
        client.users.balance()
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "send", interrupted)
            with pytest.raises(Interrupted) as caught:
                client.users.balance()
        frames = our_frames(caught.value)
        captured = traceback.TracebackException(Interrupted, caught.value, frames, capture_locals=True)
        assert not occurrences(KEY, "".join(captured.format()))
        assert client.users.balance().total == 125.0
