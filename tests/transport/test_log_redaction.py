"""Log records of the HTTP libraries lose the key, and are otherwise unchanged."""

from __future__ import annotations

import logging
from contextvars import Context

import httpx
import pytest
from support.clients import KEY, MODES, Mode, drive
from support.server import serving

from triverse import NotFoundError, Triverse
from triverse.core.secret import Secret
from triverse.transport.log_redaction import current_key


@pytest.mark.parametrize("mode", MODES)
def test_httpx_logs_each_attempt_without_the_key(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server, caplog.at_level(logging.DEBUG), pytest.raises(NotFoundError):
        drive(mode, lambda c: c.request("GET", f"/{KEY}"), lambda c: c.request("GET", f"/{KEY}"), base_url=server.url)
    lines = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert lines == [f'HTTP Request: GET {server.url}/[redacted] "HTTP/1.1 404 Whatever"']
    assert KEY not in caplog.text


def test_records_of_other_clients_in_the_process_keep_their_arguments(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server, caplog.at_level(logging.INFO, logger="httpx"):
        with Triverse(KEY, base_url=server.url) as client:
            client.users.balance()
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as other:
            other.get("http://other.example/")
    assert [len(record.args or ()) for record in caplog.records] == [5, 5]
    assert current_key.get() is None


def test_a_record_outside_of_any_call_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="httpx"):
        Context().run(logging.getLogger("httpx").info, "written by %s", "another program")
    assert [record.args for record in caplog.records] == [("another program",)]


def test_a_malformed_logging_call_does_not_raise_into_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    logger = logging.getLogger("httpcore.http11")
    monkeypatch.setattr(logger, "propagate", False)
    token = current_key.set(Secret(KEY))
    logger.warning("two %s %s", "one")  # noqa: PLE1206 - on purpose
    current_key.reset(token)
    assert "not enough arguments" in capsys.readouterr().err
