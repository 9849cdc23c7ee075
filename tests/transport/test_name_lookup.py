from __future__ import annotations

import socket
import threading

import httpcore
import pytest
from support.clients import MODES_AND_UVLOOP, Mode, drive

from triverse import ConnectionFailedError
from triverse.transport.name_lookup import NameLookup
from triverse.transport.sync_backend import DeadlineBackend


def test_an_address_needs_no_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    assert NameLookup("127.0.0.1", 80).addresses(None) == ["127.0.0.1"]
    assert NameLookup("::1", 80).addresses(None) == ["::1"]


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
def test_a_host_without_an_address_is_a_failed_connection(mode: Mode) -> None:
    with pytest.raises(ConnectionFailedError, match=r"nowhere\.invalid"):
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url="https://nowhere.invalid", max_retries=0)


def test_an_empty_answer_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_args: object, **_options: object) -> list[object]:
        return []

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(httpcore.ConnectError, match=r"nowhere\.invalid has no address"):
        DeadlineBackend().connect_tcp("nowhere.invalid", 80)


def test_another_thread_can_end_the_wait_for_a_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, end = threading.Event(), threading.Event()

    def slow(*_args: object, **_options: object) -> list[object]:
        asked.set()
        end.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    backend, errors = DeadlineBackend(), list[Exception]()

    def connect() -> None:
        try:
            backend.connect_tcp("host.example", 80)
        except httpcore.ConnectTimeout as error:
            errors.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    asked.wait()
    backend.abort()
    thread.join()
    end.set()
    assert "host.example took too long" in str(errors[0])


@pytest.mark.parametrize("start", ["threading.Thread.start", "_thread.start_new_thread"])
def test_without_another_thread_the_lookup_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    def refuse(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(start, refuse)
    assert NameLookup("localhost", 80).addresses(1.0)
