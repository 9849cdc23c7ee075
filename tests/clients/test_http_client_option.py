"""The option http_client: the user's client sends every request in its own way, and stays open."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypedDict

import httpx
import httpx2
import pytest
from support.clients import KEY
from support.server import BALANCE, answer, envelope, serving

from triverse import (
    AsyncTriverse,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    Timeout,
    TransportError,
    Triverse,
)

ELSEWHERE = "http://127.0.0.1:9/api/v1"


def test_its_hooks_cookies_and_headers_apply_and_it_stays_open() -> None:
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


def test_follow_redirects_of_an_http_client_is_not_used() -> None:
    with serving() as elsewhere, serving(lambda _: answer(b"", 302, {"Location": elsewhere.url})) as server:
        with (
            httpx.Client(follow_redirects=True) as own,
            Triverse(KEY, base_url=server.url, http_client=own) as client,
            pytest.raises(Exception, match="302"),
        ):
            client.users.me()
        assert elsewhere.connections == 0


@pytest.mark.anyio
async def test_a_redirect_that_leads_nowhere_is_not_called_a_broken_connection() -> None:
    with serving(lambda _: answer(b"", 302, {"Location": "http://[::1"})) as server:
        with httpx.Client() as http_client, pytest.raises(TransportError) as refused:
            Triverse(KEY, base_url=server.url, http_client=http_client).users.balance()
        async with httpx.AsyncClient() as http_client:
            with pytest.raises(TransportError, match="location") as refused_async:
                await AsyncTriverse(KEY, base_url=server.url, http_client=http_client).users.balance()
    assert type(refused.value) is type(refused_async.value) is TransportError
    assert "broke" not in str(refused.value)
    assert len(server.requests) == 2


@pytest.mark.anyio
async def test_an_async_http_client_can_have_any_transport() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=envelope(BALANCE)))
    async with httpx.AsyncClient(transport=transport) as own:
        async with AsyncTriverse(KEY, http_client=own) as client:
            assert (await client.users.balance()).total == 125.0
        assert not own.is_closed


def denying(response: httpx.Response | httpx2.Response) -> None:
    response.raise_for_status()


@pytest.mark.parametrize("kind", [httpx.Client, httpx2.Client])
def test_a_hook_that_raises_for_status_does_not_hide_the_response(kind: type[httpx.Client]) -> None:
    with (
        serving(lambda _: answer(b"", 403)) as server,
        kind(event_hooks={"response": [denying]}) as own,
        Triverse(KEY, base_url=server.url, http_client=own) as client,
        pytest.raises(PermissionDeniedError),
    ):
        client.users.me()


def test_a_client_of_httpx2_works() -> None:
    with serving() as server, httpx2.Client() as own:
        client = Triverse(KEY, base_url=server.url, http_client=own)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the same interface under another name
        assert client.users.balance().total == 125.0
        with pytest.raises(NotFoundError):
            client.request("GET", "/nowhere")


def read_away(response: httpx.Response) -> None:
    for _ in response.iter_raw():
        pass


def test_a_hook_that_consumes_the_body_causes_a_transport_error() -> None:
    with (
        serving() as server,
        httpx.Client(event_hooks={"response": [read_away]}) as own,
        Triverse(KEY, base_url=server.url, http_client=own) as client,
        pytest.raises(TransportError),
    ):
        client.users.me()


async def read_away_async(response: httpx.Response) -> None:
    async for _ in response.aiter_raw():
        pass


@pytest.mark.anyio
async def test_an_async_hook_that_consumes_the_body_causes_an_error() -> None:
    with serving() as server:
        async with (
            httpx.AsyncClient(event_hooks={"response": [read_away_async]}) as own,
            AsyncTriverse(KEY, base_url=server.url, http_client=own) as client,
        ):
            with pytest.raises(TransportError):
                await client.users.me()


class Signed(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Signature"] = "signed"
        yield request


@pytest.mark.anyio
async def test_its_auth_and_mounts_apply_and_the_key_is_kept() -> None:
    seen: list[tuple[str, str]] = []

    def mounted(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["X-Signature"], request.headers["Authorization"]))
        return httpx.Response(200, json=envelope(BALANCE))

    mounts = {"all://api.triverse.ai": httpx.MockTransport(mounted)}
    with httpx.Client(auth=Signed(), mounts=mounts) as own, Triverse(KEY, http_client=own) as client:
        assert client.users.balance().total == 125.0
    async with (
        httpx.AsyncClient(auth=Signed(), mounts=mounts) as its_own,
        AsyncTriverse(KEY, http_client=its_own) as async_client,
    ):
        assert (await async_client.users.balance()).total == 125.0
    assert seen == [("signed", f"Bearer {KEY}")] * 2


@pytest.mark.anyio
async def test_a_401_names_the_http_client_that_replaced_the_key() -> None:
    def hook(request: httpx.Request) -> None:
        request.headers["Authorization"] = "Bearer another-key"

    async def async_hook(request: httpx.Request) -> None:
        hook(request)

    expected = "Check the http_client: its auth or a hook replaced the API key that came from the argument api_key"
    with serving(lambda _: answer({"code": 1001, "message": "unknown key"}, 401)) as server:
        for own in (httpx.Client(auth=("user", "password")), httpx.Client(event_hooks={"request": [hook]})):
            client = Triverse(KEY, base_url=server.url, http_client=own)
            with own, pytest.raises(AuthenticationError, match=expected):
                client.users.me()
        for its_own in (
            httpx.AsyncClient(auth=("user", "password")),
            httpx.AsyncClient(event_hooks={"request": [async_hook]}),
        ):
            async with its_own, AsyncTriverse(KEY, base_url=server.url, http_client=its_own) as async_client:
                with pytest.raises(AuthenticationError, match=expected):
                    await async_client.users.me()


@pytest.mark.anyio
async def test_its_proxy_is_used() -> None:
    with serving(lambda _: answer(envelope(BALANCE))) as proxy:
        with httpx.Client(proxy=proxy.origin) as own, Triverse(KEY, base_url=ELSEWHERE, http_client=own) as client:
            assert client.users.balance().total == 125.0
        async with (
            httpx.AsyncClient(proxy=proxy.origin) as its_own,
            AsyncTriverse(KEY, base_url=ELSEWHERE, http_client=its_own) as async_client,
        ):
            assert (await async_client.users.balance()).total == 125.0
        assert [received.target for received in proxy.requests] == [f"{ELSEWHERE}/users/balance"] * 2


@pytest.mark.anyio
async def test_an_http_client_of_the_wrong_kind_is_refused() -> None:
    async with httpx.AsyncClient() as its_own:
        with httpx.Client() as own:
            for kind, wrong in ((Triverse, its_own), (AsyncTriverse, own), (Triverse, 5), (AsyncTriverse, "x")):
                name = "AsyncClient" if kind is AsyncTriverse else "Client"
                with pytest.raises(ConfigurationError, match=rf"must be an httpx\.{name}, not {type(wrong).__name__}$"):
                    kind(KEY, http_client=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose


OWN = httpx.Timeout(3.0, read=7.0, write=None, pool=2.0)


class Given(TypedDict, total=False):
    timeout: float | Timeout


GIVEN: list[tuple[Given, dict[str, float | None]]] = [
    ({}, {"connect": 3.0, "read": 7.0, "write": None, "pool": 2.0}),
    ({"timeout": 4.0}, {"connect": 4.0, "read": 4.0, "write": 4.0, "pool": None}),
    ({"timeout": Timeout()}, {"connect": 5.0, "read": 15.0, "write": 15.0, "pool": None}),
]


class Timed(httpx.MockTransport):
    """Records the timeouts of each request."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float | None]] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.extensions["timeout"])
        return httpx.Response(200, json=envelope(BALANCE))


@pytest.mark.anyio
@pytest.mark.parametrize(("given", "limits"), GIVEN)
async def test_its_timeouts_apply_unless_timeout_is_given(given: Given, limits: dict[str, float | None]) -> None:
    transport = Timed()
    with httpx.Client(transport=transport, timeout=OWN) as own:
        Triverse(KEY, deadline=None, http_client=own, **given).users.balance()
        Triverse(KEY, deadline=None, http_client=own).with_options(**given).users.balance()
    async with httpx.AsyncClient(transport=transport, timeout=OWN) as its_own:
        await AsyncTriverse(KEY, deadline=None, http_client=its_own, **given).users.balance()
    assert transport.seen == [limits] * 3


def test_its_timeouts_are_cut_to_the_deadline() -> None:
    transport = Timed()
    with httpx.Client(transport=transport, timeout=OWN) as own:
        Triverse(KEY, deadline=2.5, http_client=own).users.balance()
    (limits,) = transport.seen
    assert limits["pool"] == 2.0
    assert all(2 < (limits[phase] or 0) <= 2.5 for phase in ("connect", "read", "write"))
