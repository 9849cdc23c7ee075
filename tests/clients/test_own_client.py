"""The user's own client: it sees every request, keeps its habits, and stays open."""

from __future__ import annotations

import httpx
import httpx2
import pytest
from support.clients import KEY
from support.server import BALANCE, answer, envelope, serving

from triverse import AsyncTriverse, NotFoundError, PermissionDeniedError, Triverse


def test_its_hooks_cookies_and_headers_go_along_and_it_stays_open() -> None:
    seen: list[str] = []

    def note(request: httpx.Request) -> None:
        seen.append(str(request.url))

    with (
        serving() as server,
        httpx.Client(
            event_hooks={"request": [note]}, cookies={"a": "b"}, headers={"X-Mine": "yes", "Authorization": "no"}
        ) as own,
    ):
        with Triverse(KEY, base_url=server.url, http_client=own) as client:
            assert client.users.balance().total == 125.0
        assert not own.is_closed
    received = server.requests[0]
    assert (received.header("X-Mine"), received.header("Cookie")) == ("yes", "a=b")
    assert server.authorizations == [f"Bearer {KEY}"]
    assert seen == [f"{server.url}/users/balance"]


def test_a_client_that_follows_redirects_does_not_carry_the_key_elsewhere() -> None:
    with serving() as elsewhere, serving(lambda _: answer(b"", 302, {"Location": elsewhere.url})) as server:
        with (
            httpx.Client(follow_redirects=True) as own,
            Triverse(KEY, base_url=server.url, http_client=own) as client,
            pytest.raises(Exception, match="302"),
        ):
            client.users.me()
        assert elsewhere.connections == 0


@pytest.mark.anyio
async def test_an_async_client_may_have_a_transport_of_any_kind() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=envelope(BALANCE)))
    async with httpx.AsyncClient(transport=transport) as own:
        async with AsyncTriverse(KEY, http_client=own) as client:
            assert (await client.users.balance()).total == 125.0
        assert not own.is_closed


def denying(response: httpx.Response | httpx2.Response) -> None:
    response.raise_for_status()


@pytest.mark.parametrize("kind", [httpx.Client, httpx2.Client])
def test_a_hook_that_raises_for_status_does_not_hide_what_the_service_said(kind: type[httpx.Client]) -> None:
    with (
        serving(lambda _: answer(b"", 403)) as server,
        kind(event_hooks={"response": [denying]}) as own,
        Triverse(KEY, base_url=server.url, http_client=own) as client,
        pytest.raises(PermissionDeniedError),
    ):
        client.users.me()


def test_a_client_of_httpx2_will_do() -> None:
    with serving() as server, httpx2.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the same interface under another name
        assert client.users.balance().total == 125.0
        with pytest.raises(NotFoundError):
            client.request("GET", "/nowhere")
