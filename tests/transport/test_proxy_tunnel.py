"""Calls over TLS through a proxy: the proxy opens a tunnel by CONNECT, and never receives the key."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from support.clients import KEY, MODES_AND_UVLOOP, Mode, drive
from support.server import Peer, Server, serving
from support.tls import server_context, trust

from triverse import AsyncTriverse, Triverse


def pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side may have closed the connection
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def tunnel(peer: Peer) -> None:
    received = peer.request()
    assert received is not None
    assert received.method == "CONNECT"
    host, _, port = received.target.partition(":")
    with socket.create_connection((host, int(port))) as target:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        client = peer._sock  # pyright: ignore[reportPrivateUsage]  # no other server needs its raw socket
        back = threading.Thread(target=pour, args=(target, client), daemon=True)
        back.start()
        pour(client, target)
        back.join(10)


def sync_calls(client: Triverse) -> None:
    client.users.me()
    client.users.balance()


async def async_calls(client: AsyncTriverse) -> None:
    await client.users.me()
    await client.users.balance()


@pytest.mark.parametrize("mode", MODES_AND_UVLOOP)
def test_a_tunnel_is_opened_with_the_proxys_credentials_and_without_the_key(
    mode: Mode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trust(monkeypatch, tmp_path)
    with serving(tls=server_context()) as server, Server(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin.replace("://", "://user:word@"))
        drive(mode, sync_calls, async_calls, base_url=server.url)
        assert server.authorizations == [f"Bearer {KEY}"] * 2
        assert (proxy.connections, server.connections) == (1, 1)
        (asked,) = proxy.requests
    assert asked.target == f"localhost:{server.port}"
    assert asked.header("Proxy-Authorization") == "Basic dXNlcjp3b3Jk"
    assert KEY not in str(asked.headers)
