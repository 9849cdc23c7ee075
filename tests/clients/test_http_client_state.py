"""A user's http_client that is closed, that has an auth of its own, or that a KeyboardInterrupt left half-way."""

from __future__ import annotations

import h11
import httpx
import pytest
from support.clients import KEY
from support.server import serving

from triverse import AsyncTriverse, ConfigurationError, Triverse

CLOSED = "the http_client is closed"


def test_a_call_with_a_closed_http_client_is_a_clear_error() -> None:
    own = httpx.Client()
    client = Triverse(KEY, http_client=own)
    own.close()
    with pytest.raises(ConfigurationError, match=CLOSED):
        client.users.balance()
    with pytest.raises(ConfigurationError, match=CLOSED) as caught:
        client.tasks.text_to_model("a brass diving helmet")
    assert not caught.value.task_may_exist


@pytest.mark.anyio
async def test_an_async_call_with_a_closed_http_client_is_a_clear_error() -> None:
    own = httpx.AsyncClient()
    client = AsyncTriverse(KEY, http_client=own)
    await own.aclose()
    with pytest.raises(ConfigurationError, match=CLOSED):
        await client.users.balance()
    with pytest.raises(ConfigurationError, match=CLOSED) as caught:
        await client.tasks.text_to_model("a brass diving helmet")
    assert not caught.value.task_may_exist


@pytest.mark.anyio
async def test_the_auth_of_an_http_client_replaces_the_key() -> None:
    sent: list[str] = []

    def note(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        return httpx.Response(200, json={"code": 0, "data": {"balance": 1, "frozen": 0}})

    transport = httpx.MockTransport(note)
    with httpx.Client(auth=("gateway", "password"), transport=transport) as own:
        Triverse(KEY, http_client=own).users.balance()
    async with httpx.AsyncClient(auth=("gateway", "password"), transport=transport) as its_own:
        await AsyncTriverse(KEY, http_client=its_own).users.balance()
    assert len(sent) == 2
    assert all(value.startswith("Basic ") for value in sent)


def interrupt_once(patch: pytest.MonkeyPatch) -> None:
    """Interrupt httpcore after it has marked a connection as idle, and before it prepares it for the next request."""

    def interrupt(_connection: h11.Connection) -> None:
        patch.undo()
        raise KeyboardInterrupt

    patch.setattr(h11.Connection, "start_next_cycle", interrupt)


def test_a_connection_that_an_interrupt_left_unprepared_is_replaced() -> None:
    with serving() as server, httpx.Client() as own, pytest.MonkeyPatch.context() as patch:
        for http_client in (None, own):
            client = Triverse(KEY, base_url=server.url, http_client=http_client)
            interrupt_once(patch)
            with pytest.raises(KeyboardInterrupt):
                client.users.balance()
            client.request("POST", "/users/balance")
            client.close()


@pytest.mark.anyio
async def test_an_async_connection_that_an_interrupt_left_unprepared_is_replaced() -> None:
    with serving() as server, pytest.MonkeyPatch.context() as patch:
        async with httpx.AsyncClient() as own:
            for http_client in (None, own):
                client = AsyncTriverse(KEY, base_url=server.url, http_client=http_client)
                interrupt_once(patch)
                with pytest.raises(KeyboardInterrupt):
                    await client.users.balance()
                await client.request("POST", "/users/balance")
                await client.aclose()
